"""`pycompose image prune`: remove what nothing uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...flags.shared import add_prune
from ...session import Session
from ...show.many import filters
from ...show.pruning import agreed, images, reclaimed

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    add_prune(parser)
    parser.add_argument("-a", "--all", action="store_true", help="Remove all unused images, not just dangling ones")


def run(args: Namespace) -> int:
    kind = "images without at least one container associated to them" if args.all else "dangling images"
    if not agreed(f"WARNING! This will remove all {kind}.", yes=args.force):
        return 0
    reclaimed(images(Session(args).engine, filters(args.filter), all=args.all))
    return 0
