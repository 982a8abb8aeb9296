"""`pycompose lease hand-over`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....app.leasing import find_lease, owner_words
from ....app.owner import parse_owner
from ...session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("lease", metavar="LEASE")
    parser.add_argument("owner", metavar="OWNER")


def run(args: Namespace) -> int:
    leases = Session(args).engine.leases
    lease = find_lease(leases.list(), args.lease)
    print(f"{lease['Id']} {owner_words(leases.own(lease['Id'], parse_owner(args.owner)))}")
    return 0
