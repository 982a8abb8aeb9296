"""Removal of containers that do not run, when the project stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..plan.observe import ObservedContainer
    from .session import Session


def remove(session: Session, containers: Sequence[ObservedContainer], *, volumes: bool) -> None:
    """Remove each of ``containers``, with ``volumes`` its anonymous ones too. Raises `OperationError` when one could not be
    removed; the others are removed then."""
    from .stopping import run_levels

    engine = session.engine
    run_levels(
        session, [containers], "Removing", "Removed", lambda one: engine.containers.remove(one.id, volumes=volumes)
    )
