"""`pycompose start`: start the project's existing containers, dependencies first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import OperationError
from ..flags.parser import integer
from ..session import Session, report_failures

if TYPE_CHECKING:
    from argparse import Namespace

    from ...plan.observe import ObservedContainer
    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "--wait", action="store_true", help="Wait for services to be running|healthy. Implies detached mode."
    )
    parser.add_argument("--wait-timeout", type=integer, metavar="SECONDS", help="Maximum duration to wait")
    parser.add_argument("services", nargs="*", metavar="SERVICE")


def run(args: Namespace) -> int:
    from ...app.lifecycle import carry_out
    from ...plan.reconcile.lifecycle import plan_start, with_dependencies
    from .stop import chosen

    session = Session(args)
    everything = [one for one in chosen(session, []) if not one.unfinished]
    containers = [one for one in chosen(session, args.services) if not one.unfinished]
    if not containers and not session.containers():
        raise OperationError(_nothing_to_start(session, args.services))
    if args.services:
        containers = with_dependencies(containers, everything)
    hooks: list[ObservedContainer] = []
    if any(one.pre_start and one.state == "created" for one in containers):
        from ...plan.observe import list_containers

        hooks = [one for one in list_containers(session.engine, session.name) if one.hook]
    plan = plan_start(session.name, containers, wait=args.wait, recorded=hooks)
    return report_failures(session, carry_out(session, plan, wait_timeout=args.wait_timeout))


def _nothing_to_start(session: Session, services: list[str]) -> str:
    from ...app.declared import declared_services

    names = services or sorted(declared_services(session) or ())
    if names:
        return f'service "{names[0]}" has no container to start'
    return f'no container found for project "{session.name}": not found'
