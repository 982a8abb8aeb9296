"""`pycompose container prune`: remove what nothing uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..flags import filter_word
from ..many import filters
from ..pruning import agreed, containers, reclaimed
from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "--filter",
        type=filter_word,
        action="append",
        default=[],
        metavar="FILTER",
        help="Provide filter values (e.g. label=...)",
    )
    parser.add_argument("-f", "--force", action="store_true", help="Do not prompt for confirmation")


def run(args: Namespace) -> int:
    if not agreed("WARNING! This will remove all stopped containers.", yes=args.force):
        return 0
    reclaimed(containers(Session(args).engine, filters(args.filter)))
    return 0
