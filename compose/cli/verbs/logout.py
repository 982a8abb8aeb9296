"""`pycompose logout`: forget the credentials for a registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .login import server_key

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("server", nargs="?", default="", metavar="SERVER")


def run(args: Namespace) -> int:
    from ...credentials.store import forget

    server = server_key(args.server)
    print(f"Removing login credentials for {server}")
    forget(server)
    return 0
