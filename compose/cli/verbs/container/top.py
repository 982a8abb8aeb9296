"""`pycompose container top`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...session import Session
from ...show import format

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser

INTERSPERSED = False


def add_arguments(parser: Parser) -> None:
    parser.add_argument("container")
    parser.add_argument("options", nargs="*", metavar="ps OPTIONS")


def run(args: Namespace) -> int:
    found = Session(args).engine.containers.top(args.container, " ".join(args.options) or None)
    print(format.table(found["Titles"] or (), found["Processes"] or (), 20))
    return 0
