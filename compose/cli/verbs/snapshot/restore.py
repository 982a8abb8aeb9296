"""`pycompose snapshot restore`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....app.snapshots import planned, restore
from ...session import Session
from ...show import foretold

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("name", metavar="NAME")


def run(args: Namespace) -> int:
    if args.dry_run:
        return foretold.tell(planned(Session(args), args.name, restoring=True))
    print(f"{args.name}: {', '.join(restore(Session(args), args.name))}")
    return 0
