"""`pycompose stop`: stop the project's containers, dependants first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..flags.parser import integer
from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "-t", "--timeout", type=integer, metavar="SECONDS", help="Specify a shutdown timeout in seconds"
    )
    parser.add_argument("services", nargs="*", metavar="SERVICE")


def run(args: Namespace) -> int:
    from ...app.stack import Stack

    Stack.of(Session(args)).stop(*args.services, timeout=args.timeout)
    return 0
