"""`pycompose container diff`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser

KINDS = "CAD"


def add_arguments(parser: Parser) -> None:
    parser.add_argument("container")


def run(args: Namespace) -> int:
    for change in Session(args).engine.containers.changes(args.container):
        print(f"{KINDS[int(change['Kind'])]} {change['Path']}")
    return 0
