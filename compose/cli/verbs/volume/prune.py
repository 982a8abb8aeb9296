"""`pycompose volume prune`: remove what nothing uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...flags.shared import add_prune
from ...session import Session
from ...show.many import filters
from ...show.pruning import agreed, reclaimed, volumes

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    add_prune(parser)
    parser.add_argument("-a", "--all", action="store_true", help="Remove all unused volumes, not just anonymous ones")


def run(args: Namespace) -> int:
    kind = "all" if args.all else "anonymous"
    if not agreed(
        f"WARNING! This will remove {kind} local volumes not used by at least one container.", yes=args.force
    ):
        return 0
    reclaimed(volumes(Session(args).engine, filters(args.filter), all=args.all))
    return 0
