"""`pycompose container restart`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...flags.shared import add_stopping
from ...session import Session
from ...show.many import each

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    add_stopping(parser)
    parser.add_argument("containers", nargs="+", metavar="CONTAINER")


def run(args: Namespace) -> int:
    engine = Session(args).engine
    return each(args.containers, lambda name: engine.containers.restart(name, args.timeout, args.signal))
