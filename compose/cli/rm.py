"""`pycompose rm`: remove stopped containers of services; with -s, after stopping them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from .flags import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "-a", "--all", action="store_true", help="Accepted for compatibility: one-off containers are included"
    )
    parser.add_argument("-f", "--force", action="store_true", help="Don't ask to confirm removal")
    parser.add_argument("-s", "--stop", action="store_true", help="Stop the containers, if required, before removing")
    parser.add_argument(
        "-v", "--volumes", action="store_true", help="Remove any anonymous volumes attached to containers"
    )
    parser.add_argument("services", nargs="*", metavar="SERVICE")


def run(args: Namespace) -> int:
    from ..observe import container
    from .many import confirm
    from .stop import chosen
    from .stopping import run_levels, stop_containers

    session = Session(args)
    found = chosen(session, args.services)
    if args.stop:
        stop_containers(session, found, None)
        found = chosen(session, args.services)
    found += [
        one for one in map(container, session.containers(args.services, oneoff=True)) if one.oneoff and one not in found
    ]
    stopped = [one for one in found if not one.running]
    if not stopped:
        print("No stopped containers", file=sys.stderr)
        return 0
    names = ", ".join(one.name for one in stopped)
    if not args.dry_run and not confirm(f"Going to remove {names}. Are you sure?", yes=args.force):
        return 0 if sys.stdin.isatty() else 1
    engine = session.engine
    run_levels(
        session, [stopped], "Removing", "Removed", lambda one: engine.containers.remove(one.id, volumes=args.volumes)
    )
    return 0
