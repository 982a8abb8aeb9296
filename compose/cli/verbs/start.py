"""`pycompose start`: start the project's existing containers, dependencies first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..flags.parser import integer
from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "--wait", action="store_true", help="Wait for services to be running|healthy. Implies detached mode."
    )
    parser.add_argument("--wait-timeout", type=integer, metavar="SECONDS", help="Maximum duration to wait")
    parser.add_argument("services", nargs="*", metavar="SERVICE")


def run(args: Namespace) -> int:
    from ...app.stack import Stack

    Stack.of(Session(args)).start(*args.services, wait=args.wait, wait_timeout=args.wait_timeout)
    return 0
