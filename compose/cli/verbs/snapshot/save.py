"""`pycompose snapshot save`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....app.snapshots import planned, save
from ...flags.parser import integer
from ...session import Session
from ...show import foretold

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "-t",
        "--timeout",
        type=integer,
        metavar="SECONDS",
        help="How long services may take to stop before they are killed",
    )
    parser.add_argument("name", metavar="NAME")


def run(args: Namespace) -> int:
    if args.dry_run:
        return foretold.tell(planned(Session(args), args.name))
    print(f"{args.name}: {', '.join(save(Session(args), args.name, args.timeout))}")
    return 0
