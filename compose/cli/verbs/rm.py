"""`pycompose rm`: remove stopped containers of services; with -s, after stopping them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser


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
    from ...app.chosen import chosen
    from ...app.removing import remove
    from ...app.stopping import stop_containers

    session = Session(args)
    found = chosen(session, args.services)
    if args.stop:
        stop_containers(session, found, None)
        found = chosen(session, args.services)
    stopped = [one for one in found if not one.running or (args.stop and args.dry_run)]
    if not stopped:
        print("No stopped containers", file=sys.stderr)
        return 0
    question = f"Going to remove {', '.join(one.name for one in stopped)}"
    if args.force:
        print(question)
    elif not args.dry_run and not asked(question):
        return 0
    remove(session, stopped, volumes=args.volumes)
    return 0


def asked(question: str) -> bool:
    """Ask on standard output and read one line, terminal or not; without a clear yes the answer is no."""
    print(f"? {question} [yN] " if sys.stdin.isatty() else question, end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes", "t", "true", "1")
