"""`pycompose snapshot rm`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....app.snapshots import known
from ...session import Session
from ...show import foretold

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("names", nargs="+", metavar="NAME")


def run(args: Namespace) -> int:
    session = Session(args)
    if args.dry_run:
        known(session, args.names)
        return foretold.tell((f"Snapshot {name}", "Removing") for name in args.names)
    for name in args.names:
        session.engine.snapshots.remove(session.name, name)
        print(name)
    return 0
