"""`pycompose kill`: signal the project's running containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import OperationError
from .session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from .flags import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "--remove-orphans", action="store_true", help="Accepted for compatibility: orphans are killed too"
    )
    parser.add_argument("-s", "--signal", default="SIGKILL", metavar="SIGNAL", help="SIGNAL to send to the container")
    parser.add_argument("services", nargs="*", metavar="SERVICE")


def run(args: Namespace) -> int:
    from .stop import chosen
    from .stopping import run_levels

    session = Session(args)
    engine = session.engine
    wanted = [one for one in chosen(session, args.services) if one.running]
    if not wanted and args.services:
        raise OperationError(f'service "{args.services[0]}" is not running')
    run_levels(session, [wanted], "Killing", "Killed", lambda one: engine.containers.kill(one.id, args.signal))
    return 0
