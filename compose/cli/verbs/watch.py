"""`pycompose watch`: keep containers up with their sources, as ``develop.watch`` says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..session import Session
from ..streams.watching import Watcher

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--no-up", action="store_true", help="Do not build & start services before watching")
    parser.add_argument("--prune", action="store_true", help="Prune dangling images on rebuild")
    parser.add_argument("--quiet", action="store_true", help="hide build output")
    parser.add_argument("services", nargs="*", metavar="SERVICE")


def run(args: Namespace) -> int:
    session = Session(args)
    watcher = Watcher(session, args)
    try:
        if not args.no_up:
            from ...app.converge import converge
            from ...plan.reconcile.options import UpOptions
            from ..session import report_failures

            result = converge(session, UpOptions(services=tuple(args.services), build=True))
            if result.failures:
                return report_failures(session, result)
        watcher.run()
    except KeyboardInterrupt:
        return 130
    finally:
        watcher.release()
    return 0
