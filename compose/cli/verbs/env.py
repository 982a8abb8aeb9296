"""`pycompose env`: the addresses of the project's services as variables (addresses.py has the rules)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...app.addresses import FORMATS, environment, render
from ..flags.parser import FlagError
from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--format", default="dotenv", metavar="FORMAT", help="shell, json or dotenv")
    parser.add_argument("services", nargs="*", metavar="SERVICE")


def run(args: Namespace) -> int:
    if args.format not in FORMATS:
        raise FlagError(f'format value "{args.format}" could not be parsed: {", ".join(FORMATS)}')
    session = Session(args)
    variables = environment(session.containers(args.services, all=False))
    if variables or args.format == "json":
        print(render(variables, args.format))
    return 0
