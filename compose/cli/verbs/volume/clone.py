"""`pycompose volume clone`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...session import Session
from ...show.volumes import warn_of_users

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("-f", "--force", action="store_true", help="Replace what the target holds")
    parser.add_argument("source", metavar="SOURCE")
    parser.add_argument("target", metavar="TARGET")


def run(args: Namespace) -> int:
    engine = Session(args).engine
    warn_of_users(engine, args.source)
    engine.volumes.clone(args.source, args.target, force=args.force)
    print(args.target)
    return 0
