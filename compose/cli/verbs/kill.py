"""`pycompose kill`: signal the project's running containers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--remove-orphans", action="store_true", help="Kill containers of undeclared services as well")
    parser.add_argument("-s", "--signal", default="SIGKILL", metavar="SIGNAL", help="SIGNAL to send to the container")
    parser.add_argument("services", nargs="*", metavar="SERVICE")


def run(args: Namespace) -> int:
    from ...app.chosen import chosen
    from ...app.stopping import run_levels

    session = Session(args)
    engine = session.engine
    found = chosen(session, args.services, oneoff=True, orphans=args.remove_orphans)
    wanted = [one for one in found if one.running]
    if not wanted:
        print("no container to kill", file=sys.stderr)
        return 0
    run_levels(session, [wanted], "Killing", "Killed", lambda one: engine.containers.kill(one.id, args.signal))
    return 0
