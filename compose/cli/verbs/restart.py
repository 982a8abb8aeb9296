"""`pycompose restart`: stop and start the project's containers; those that depend on them with ``restart: true`` too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..flags.parser import integer
from ..session import Session, report_failures

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--no-deps", action="store_true", help="Don't restart dependent services")
    parser.add_argument(
        "-t", "--timeout", type=integer, metavar="SECONDS", help="Specify a shutdown timeout in seconds"
    )
    parser.add_argument("services", nargs="*", metavar="SERVICE")


def run(args: Namespace) -> int:
    from ...app.lifecycle import carry_out
    from ...plan.reconcile.lifecycle import plan_restart
    from .stop import chosen

    session = Session(args)
    everything = [one for one in chosen(session, []) if not one.unfinished]
    containers = [one for one in chosen(session, args.services) if not one.unfinished]
    if not containers:
        return 0
    plan = plan_restart(session.name, everything, containers, args.timeout, dependants=not args.no_deps)
    return report_failures(session, carry_out(session, plan))
