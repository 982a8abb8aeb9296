"""How many containers services have, where nothing else about them is to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .converge import Convergence
    from .session import Session


def scale(
    session: Session,
    replicas: Mapping[str, int],
    *,
    with_dependencies: bool = True,
    wait: bool = False,
    wait_timeout: float | None = None,
) -> Convergence:
    """Bring each service of ``replicas`` to its number of containers; none of those that are there is recreated. Returns with
    failures recorded, not raised. Raises `UsageError` for a name that is no service or a number below 0."""
    from ..errors import UsageError
    from ..plan.reconcile.options import NEVER, UpOptions
    from .converge import converge

    for name, number in replicas.items():
        if number < 0:
            raise UsageError(f"{name}: there cannot be {number} containers")
    options = UpOptions(
        services=tuple(replicas),
        with_dependencies=with_dependencies,
        scale=replicas,
        recreate=NEVER,
        recreate_dependencies=NEVER,
        ignore_orphans=True,
        wait=wait,
    )
    return converge(session, options, wait_timeout=wait_timeout)
