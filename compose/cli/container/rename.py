"""`pycompose container rename`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("container")
    parser.add_argument("new_name", metavar="NEW_NAME")


def run(args: Namespace) -> int:
    Session(args).engine.containers.rename(args.container, args.new_name)
    return 0
