"""Which services are jobs: they run to their end, and then they are done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..plan.graph import COMPLETED, dependencies

if TYPE_CHECKING:
    from ..model import Project
    from ..model.service import Service

JOB_MODES = ("replicated-job", "global-job")
SCHEDULE = "x-schedule"
"""A service's extension key: a cron line."""


def awaited(project: Project) -> frozenset[str]:
    """Services that another waits for until they have completed."""
    return frozenset(
        other
        for tree in project.services.values()
        for other, dependency in dependencies(tree).items()
        if dependency.condition == COMPLETED
    )


def mode(service: Service) -> str:
    return str((service.get("deploy") or {}).get("mode") or "replicated")


def replicas(service: Service) -> int:
    """``deploy.replicas``, else ``scale``, else one."""
    found = (service.get("deploy") or {}).get("replicas")
    found = service.get("scale") if found is None else found
    return 1 if found is None else int(found)
