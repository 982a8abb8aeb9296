"""`pycompose network prune`: remove what nothing uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...flags.shared import add_prune
from ...session import Session
from ...show.many import filters
from ...show.pruning import agreed, networks

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    add_prune(parser)


def run(args: Namespace) -> int:
    if not agreed("WARNING! This will remove all custom networks not used by at least one container.", yes=args.force):
        return 0
    networks(Session(args).engine, filters(args.filter))
    return 0
