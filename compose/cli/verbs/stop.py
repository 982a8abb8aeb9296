"""`pycompose stop`: stop the project's containers, dependants first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..flags.parser import integer
from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Container

    from ...plan.observe import ObservedContainer
    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "-t", "--timeout", type=integer, metavar="SECONDS", help="Specify a shutdown timeout in seconds"
    )
    parser.add_argument("services", nargs="*", metavar="SERVICE")


def chosen(
    session: Session, services: list[str], *, oneoff: bool = False, orphans: bool = False
) -> list[ObservedContainer]:
    """The project's containers of ``services``, or of all that the Compose files declare; without files, all there are.

    ``oneoff`` adds those of `run`, ``orphans`` those of services that the files do not have.
    """
    from ...app.declared import declared_services
    from ...app.session import NoSuchService
    from ...plan.observe import container

    found = [container(one) for one in session.containers(oneoff=oneoff)]
    declared = declared_services(session)
    known = {one.service for one in found} if declared is None else declared
    for name in services:
        if name not in known and (session.identity.files == () or name not in _disabled(session)):
            raise NoSuchService(f"no such service: {name}")
    if services:
        return [one for one in found if one.service in services]
    return [one for one in found if orphans or one.service in known]


def _disabled(session: Session) -> Container[str]:
    """Services that only wait for their profile: naming one is enough."""
    from ...errors import LoadError

    try:
        return session.project.disabled_services
    except LoadError:
        return ()


def run(args: Namespace) -> int:
    from ...app.stopping import stop_containers

    session = Session(args)
    stop_containers(session, chosen(session, args.services), args.timeout)
    return 0
