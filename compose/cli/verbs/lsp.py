"""`pycompose lsp`: a language server for editors, over standard input and output."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...errors import UsageError

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--stdio", action="store_true", help="Speak over standard input and output (it always does)")


def run(args: Namespace) -> int:
    try:
        from ...lsp.server import make_server
    except ModuleNotFoundError as error:
        raise UsageError(
            f"lsp needs {str(error.name).partition('.')[0]}: pip install 'pycompose-engine[lsp]'"
        ) from None
    from ...client import Engine, choose

    server = make_server(Engine(choose(os.environ, os.geteuid(), args.host, args.root)))
    # The server closes what it reads from; the command's own streams are flushed at its end.
    with os.fdopen(os.dup(0), "rb") as source, os.fdopen(os.dup(1), "wb") as sink:
        server.start_io(source, sink)
    return 0
