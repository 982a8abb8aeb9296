"""`pycompose lease renew`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....app.leasing import find_lease, owner_words
from ....app.owner import parse_owner
from ....errors import OperationError
from ...session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--ttl", metavar="DURATION", help="How long from now on (default: as long as before)")
    parser.add_argument("lease", metavar="LEASE")


def run(args: Namespace) -> int:
    leases = Session(args).engine.leases
    lease = find_lease(leases.list(), args.lease)
    if lease["Owner"]["Kind"] != "ttl":
        raise OperationError(f"lease {lease['Id']} is not held by time but by {lease['Owner']['Text']}: see hand-over")
    owner = parse_owner(f"ttl:{args.ttl}") if args.ttl else {"ttl": lease["Owner"]["Seconds"]}
    print(f"{lease['Id']} {owner_words(leases.own(lease['Id'], owner))}")
    return 0
