"""`pycompose top`: the processes of the project's running containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..session import Session
from ..show import format

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("services", nargs="*", metavar="SERVICE")


def run(args: Namespace) -> int:
    session = Session(args)
    for one in session.containers(args.services, all=False):
        found = session.engine.containers.top(one["Id"])
        print(one["Names"][0].removeprefix("/"))
        rows = found["Processes"] or ()
        # Docker Compose pads the last cell of the rows, though not its heading.
        width = max((len(row[-1]) for row in rows), default=0) + 3
        print(format.table(found["Titles"] or (), [[*row[:-1], row[-1].ljust(width)] for row in rows], minimum=5))
        print()
    return 0
