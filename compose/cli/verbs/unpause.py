"""`pycompose unpause`: thaw the project's paused containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("services", nargs="*", metavar="SERVICE")


def run(args: Namespace) -> int:
    from ...app.stopping import run_levels
    from .stop import chosen

    session = Session(args)
    engine = session.engine
    wanted = [one for one in chosen(session, args.services) if one.running]
    run_levels(session, [wanted], "Unpausing", "Unpaused", lambda one: engine.containers.unpause(one.id))
    return 0
