"""Jobs with a schedule as operations: what `up` registers with the engine, and what it takes back. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..digest import service_digest
from ..ops import Cause, RegisterJob, RemoveJob

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...model import Project
    from ..observe import Snapshot
    from .images import ImagePlan
    from .resources import ResourcePlan


def scheduled(project: Project) -> list[str]:
    """The active jobs that the engine is to fire."""
    return [name for name, job in project.jobs.items() if (job.get("triggers") or {}).get("schedule")]


def job_name(project: Project, name: str) -> str:
    """As the engine knows it."""
    return f"{project.name}.{name}"


def plan_jobs(
    project: Project,
    snapshot: Snapshot,
    contents: Mapping[tuple[str, str], str],
    images: ImagePlan,
    resources: ResourcePlan,
) -> list[RegisterJob | RemoveJob]:
    """Register what is new or has changed; remove what the model has no more. ``images`` and ``resources`` cover the jobs."""
    operations: list[RegisterJob | RemoveJob] = []
    view = project.with_jobs(*scheduled(project))
    for name in scheduled(project):
        job = project.jobs[name]
        known = snapshot.jobs.get(job_name(project, name))
        digest = service_digest(view, name, contents)
        keys = images.keys.get(name, ())
        if known == digest.config_hash and not keys:
            continue
        needs = list(keys)
        needs += [key for net in job.get("networks") or () if (key := resources.network_keys.get(net))]
        sources = [str(one.get("source")) for one in job.get("volumes") or () if one.get("type") == "volume"]
        needs += [key for one in sources if (key := resources.volume_keys.get(one))]
        reason = (
            "the job is new" if known is None else "the job has changed" if known != digest.config_hash else "its image"
        )
        cause = Cause(reason, mark=project.mark("jobs", name))
        operations.append(RegisterJob(job=name, name=job_name(project, name), needs=tuple(needs), cause=cause))
    declared = {job_name(project, name) for name in (*project.jobs, *project.disabled_jobs)}
    operations += [
        RemoveJob(name=name, cause=Cause("the model has no such job"))
        for name in sorted(snapshot.jobs)
        if name not in declared
    ]
    return operations
