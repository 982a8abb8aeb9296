"""`pycompose volume prune`: remove what nothing uses."""

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
    parser.add_argument("-a", "--all", action="store_true", help="Remove all unused volumes, not just anonymous ones")


def run(args: Namespace) -> int:
    kind = "all" if args.all else "anonymous"
    if not confirm(
        f"WARNING! This will remove {kind} local volumes not used by at least one container.", yes=args.force
    ):
        return 1
    wanted = filters(args.filter)
    if args.all:
        wanted["all"] = ["true"]
    answer = Session(args).engine.volumes.prune(wanted)
    for name in answer.get("VolumesDeleted") or ():
        print(name)
    print(f"Total reclaimed space: {format.size(answer.get('SpaceReclaimed') or 0)}")
    return 0
