"""`pycompose container rm`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...session import Session
from ...show.many import each

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("-f", "--force", action="store_true", help="Force the removal of a running container")
    parser.add_argument("-l", "--link", action="store_true", help="Remove the specified link")
    parser.add_argument("-v", "--volumes", action="store_true", help="Remove anonymous volumes of the container")
    parser.add_argument("containers", nargs="+", metavar="CONTAINER")


def run(args: Namespace) -> int:
    engine = Session(args).engine

    def remove(name: str) -> None:
        engine.containers.remove(name, force=args.force, volumes=args.volumes, link=args.link)

    return each(args.containers, remove, absent_is_fine=args.force)
