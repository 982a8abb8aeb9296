"""`pycompose lsp`: a language server for Compose files. place and symbols read text, analysis loads it, answers make the protocol's
values of both, server is the protocol (pygls)."""
