"""`pycompose volume rm`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...session import Session
from ...show.many import each

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("-f", "--force", action="store_true", help="Do not complain about volumes that do not exist")
    parser.add_argument("volumes", nargs="+", metavar="VOLUME")


def run(args: Namespace) -> int:
    engine = Session(args).engine
    return each(args.volumes, lambda name: engine.volumes.remove(name, force=args.force))
