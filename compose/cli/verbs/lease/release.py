"""`pycompose lease release`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....app.leasing import find_lease
from ...session import Session
from ...show import foretold

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("leases", nargs="+", metavar="LEASE")


def run(args: Namespace) -> int:
    leases = Session(args).engine.leases
    if args.dry_run:
        found = [find_lease(leases.list(), text) for text in args.leases]
        return foretold.tell((f"Lease {one['Id']}", "Releasing: what it holds stays") for one in found)
    for text in args.leases:
        lease = find_lease(leases.list(), text)
        leases.release(lease["Id"])
        print(lease["Id"])
    return 0
