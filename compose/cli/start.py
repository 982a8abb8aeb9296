"""`pycompose start`: start the project's existing containers, dependencies first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import OperationError
from .flags import integer
from .session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ..observe import ObservedContainer
    from .flags import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "--wait", action="store_true", help="Wait for services to be running|healthy. Implies detached mode."
    )
    parser.add_argument("--wait-timeout", type=integer, metavar="SECONDS", help="Maximum duration to wait")
    parser.add_argument("services", nargs="*", metavar="SERVICE")


def run(args: Namespace) -> int:
    from ..reconcile.lifecycle import plan_start
    from .lifecycle import carry_out
    from .stop import chosen

    session = Session(args)
    containers = chosen(session, args.services)
    if not containers and args.services:
        raise OperationError(f'service "{args.services[0]}" has no container to start')
    hooks: list[ObservedContainer] = []
    if any(one.pre_start and one.state == "created" for one in containers):
        from ..observe import list_containers

        hooks = [one for one in list_containers(session.engine, session.name) if one.hook]
    plan = plan_start(session.name, containers, wait=args.wait, recorded=hooks)
    return carry_out(session, plan, wait_timeout=args.wait_timeout)
