"""`pycompose lease ls`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....app.leasing import owner_words
from ....labels import PROJECT
from ...session import Session
from ...show import format

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser

COLUMNS = (("LEASE", "ID"), ("PROJECT", "Project"), ("OWNER", "Owner"), ("STATE", "State"), ("CREATED", "Created"))


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--format", metavar="FORMAT", help="table, json, 'table TEMPLATE' or TEMPLATE")
    parser.add_argument("-q", "--quiet", action="store_true", help="Only display IDs")


def run(args: Namespace) -> int:
    leases = Session(args).engine.leases.list()
    if args.quiet:
        for one in leases:
            print(one["Id"])
        return 0
    rows = [
        {
            "ID": one["Id"],
            "Project": one["Labels"].get(PROJECT, ""),
            "Owner": owner_words(one),
            "State": one["State"],
            "Created": format.ago(one["Created"] / 1e9),
            "Reason": one["Reason"],
        }
        for one in leases
    ]
    text = format.show(args.format, rows, COLUMNS)
    if text:
        print(text)
    return 0
