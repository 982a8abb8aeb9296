"""`pycompose lease release`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....app.leasing import find_lease
from ...session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("leases", nargs="+", metavar="LEASE")


def run(args: Namespace) -> int:
    leases = Session(args).engine.leases
    for text in args.leases:
        lease = find_lease(leases.list(), text)
        leases.release(lease["Id"])
        print(lease["Id"])
    return 0
