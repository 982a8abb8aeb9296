"""Which containers a use case means by the services that were named, or by none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..plan.observe import container
from .session import NoSuchService

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from ..plan.observe import ObservedContainer
    from .session import Session


def chosen(
    session: Session, services: Sequence[str], *, oneoff: bool = False, orphans: bool = False
) -> list[ObservedContainer]:
    """The project's containers of ``services``, or of all that the Compose files declare; without files, all there are.

    ``oneoff`` adds those of `run`, ``orphans`` those of services that the files do not have.
    """
    found = [container(one) for one in session.containers(oneoff=oneoff)]
    declared = session.declared
    known = {one.service for one in found} if declared is None else declared
    for name in services:
        if name not in known and (session.identity.files == () or name not in _disabled(session)):
            raise NoSuchService(f"no such service: {name}")
    if services:
        return [one for one in found if one.service in services]
    return [one for one in found if orphans or one.service in known]


def _disabled(session: Session) -> Container[str]:
    """Services that only wait for their profile: naming one is enough."""
    from ..errors import LoadError

    try:
        return session.project.disabled_services
    except LoadError:
        return ()
