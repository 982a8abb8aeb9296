"""`pycompose network rm`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....client import NotFound
from ...session import Session
from ...show.many import each

if TYPE_CHECKING:
    from argparse import Namespace

    from ....client import Engine
    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("-f", "--force", action="store_true", help="Do not complain about missing networks")
    parser.add_argument("networks", nargs="+", metavar="NETWORK")


def run(args: Namespace) -> int:
    engine = Session(args).engine
    return each(args.networks, lambda name: remove(engine, name, force=args.force))


def remove(engine: Engine, name: str, *, force: bool) -> None:
    try:
        engine.networks.remove(name)
    except NotFound:
        if not force:
            raise
