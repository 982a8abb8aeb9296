"""`pycompose builder prune`: forget cached build steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .....grammar import sizes
from ...flags.shared import add_prune
from ...session import Session
from ...show.many import filters
from ...show.pruning import agreed, build_cache, reclaimed

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag("-a", "--all", action="store_true", help="Remove all unused build cache, not just dangling ones")
    add_prune(parser, 'Provide filter values (e.g., "until=24h")')
    flag("--verbose", action="store_true", help="Accepted for compatibility: what goes is always named")
    flag("--keep-storage", type=sizes.parse, default=0, metavar="BYTES", help="Amount of disk space to keep for cache")


def run(args: Namespace) -> int:
    kind = "all build cache" if args.all else "all dangling build cache"
    if not agreed(f"WARNING! This will remove {kind}.", yes=args.force):
        return 0
    reclaimed(build_cache(Session(args).engine, filters(args.filter), all=args.all, keep=args.keep_storage))
    return 0
