"""`pycompose lease create`: for stacks that another client brings up, and for those that stand already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....app.leasing import take_lease
from ...session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("owner", metavar="OWNER")


def run(args: Namespace) -> int:
    print(take_lease(Session(args), args.owner))
    return 0
