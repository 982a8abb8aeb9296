"""`pycompose wait`: block until the services' containers have ended; the exit code of the last one. With
--down-project the project is taken down then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..session import Session, report_removal

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--down-project", action="store_true", help="Drop the project when the first container stops")
    parser.add_argument("services", nargs="+", metavar="SERVICE")


def run(args: Namespace) -> int:
    from ...app.stack import Stack

    session = Session(args)
    code = 0
    for identity, code in Stack.of(session).ends(*args.services):
        print(f'container "{identity}" exited with status code {code}', flush=True)
    if not args.down_project:
        return code
    from ...app.down import take_down
    from ...plan.reconcile.options import DownOptions

    return report_removal(take_down(session, DownOptions(remove_orphans=True))) or code
