"""`pycompose snapshot ls`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...session import Session
from ...show import format

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser

COLUMNS = (("SNAPSHOT", "Name"), ("VOLUMES", "Volumes"), ("CREATED", "Created"))


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--format", metavar="FORMAT", help="table, json, 'table TEMPLATE' or TEMPLATE")
    parser.add_argument("-q", "--quiet", action="store_true", help="Only display names")


def run(args: Namespace) -> int:
    session = Session(args)
    found = session.engine.snapshots.list(session.name)
    if args.quiet:
        for one in found:
            print(one["Name"])
        return 0
    rows = [
        {"Name": one["Name"], "Volumes": ", ".join(one["Volumes"]), "Created": format.ago(one["Created"] / 1e9)}
        for one in found
    ]
    text = format.show(args.format, rows, COLUMNS)
    if text:
        print(text)
    return 0
