"""`pycompose image prune`: remove what nothing uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import format
from ..many import confirm, filters
from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "--filter", action="append", default=[], metavar="FILTER", help="Provide filter values (e.g. label=...)"
    )
    parser.add_argument("-f", "--force", action="store_true", help="Do not prompt for confirmation")
    parser.add_argument("-a", "--all", action="store_true", help="Remove all unused images, not just dangling ones")


def run(args: Namespace) -> int:
    kind = "images without at least one container associated to them" if args.all else "dangling images"
    if not confirm(f"WARNING! This will remove all {kind}.", yes=args.force):
        return 1
    wanted = {**filters(args.filter), "dangling": ["false" if args.all else "true"]}
    answer = Session(args).engine.images.prune(wanted)
    for item in answer.get("ImagesDeleted") or ():
        for word in ("Untagged", "Deleted"):
            if item.get(word):
                print(f"{word.lower()}: {item[word]}")
    print(f"Total reclaimed space: {format.size(answer.get('SpaceReclaimed') or 0)}")
    return 0
