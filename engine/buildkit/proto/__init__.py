"""BuildKit's messages as descriptors and, for type checkers, as stubs."""
