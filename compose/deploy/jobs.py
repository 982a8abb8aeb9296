"""Which services are jobs: they run to their end, and then they are done. What the file has below ``jobs`` is made like a service."""

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


def with_scheduled(project: Project) -> Project:
    """The project with the jobs that a clock starts among its services. The others are run by hand, and nothing is made for them."""
    names = [name for name, job in project.jobs.items() if (job.get("triggers") or {}).get("schedule")]
    return project.with_jobs(*names) if names else project


def mode(service: Service) -> str:
    return str((service.get("deploy") or {}).get("mode") or "replicated")


def replicas(service: Service) -> int:
    """``deploy.replicas``, else ``scale``, else one."""
    found = (service.get("deploy") or {}).get("replicas")
    found = service.get("scale") if found is None else found
    return 1 if found is None else int(found)
