"""`pycompose lease end`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....app.leasing import doomed, find_lease
from ...session import Session
from ...show import foretold

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("leases", nargs="+", metavar="LEASE")


def run(args: Namespace) -> int:
    engine = Session(args).engine
    leases = engine.leases
    if args.dry_run:
        found = [find_lease(leases.list(), text) for text in args.leases]
        return foretold.tell(line for lease in found for line in doomed(engine, lease))
    for text in args.leases:
        lease = find_lease(leases.list(), text)
        leases.end(lease["Id"])
        print(lease["Id"])
    return 0
