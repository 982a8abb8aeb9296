"""`pycompose stop`: stop the project's containers, dependants first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .flags import integer
from .session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ..observe import ObservedContainer
    from .flags import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "-t", "--timeout", type=integer, metavar="SECONDS", help="Specify a shutdown timeout in seconds"
    )
    parser.add_argument("services", nargs="*", metavar="SERVICE")


def chosen(session: Session, services: list[str]) -> list[ObservedContainer]:
    """The project's containers without one-off ones; only of ``services`` where some are named."""
    from ..observe import container
    from .session import NoSuchService

    found = [container(one) for one in session.containers()]
    known = {one.service for one in found}
    for name in services:
        if name not in known and (not session.identity.files or name not in session.project.services):
            raise NoSuchService(f"no such service: {name}")
    return [one for one in found if not services or one.service in services]


def run(args: Namespace) -> int:
    from .stopping import stop_containers

    session = Session(args)
    stop_containers(session, chosen(session, args.services), args.timeout)
    return 0
