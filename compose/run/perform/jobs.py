"""Registering and removing jobs. A job's container is described once, by the body that a service's would have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ... import labels
from ...client import NotFound
from ...convert.container import OneOff, create_request
from ...errors import EngineError, OperationError
from ...plan.digest import content_digests, service_digest
from .containers import facts_for
from .world import World

if TYPE_CHECKING:
    from ...convert.bodies import JobBody, JobSchedule
    from ...model import Project
    from ...model.service import Schedule
    from ...plan.ops import RegisterJob, RemoveJob


def register_job(world: World, operation: RegisterJob) -> None:
    register(world, operation.job, operation.name)


def register(world: World, job: str, name: str) -> None:
    """Give the job ``job`` of the project to the engine, as ``name``. Raises `OperationError` with the place."""
    project = world.project.with_jobs(job)
    inner = World(world.engine, world.snapshot, world.emit, project, content_digests(project), world.settings)
    inner.image_ids |= world.image_ids
    inner.provided |= world.provided
    try:
        world.engine.jobs.register(name, _body(inner, project, job))
    except EngineError as error:
        mark = project.mark("jobs", job)
        raise OperationError(f"{f'{mark}: ' if mark else ''}job {job}: {error}") from error


def _body(world: World, project: Project, job: str) -> JobBody:
    tree = project.services[job]
    stem = f"{project.name}{project.separator}{job}"
    request = create_request(project, job, 1, facts_for(world, job, {}), OneOff(stem, job), tree)
    if request.files:
        raise OperationError(
            f"{project.mark('jobs', job)}: job {job}: the engine keeps no contents for later runs:"
            f" {request.files[0].target} must come from a file without uid, gid and mode of its own"
        )
    triggers = tree.get("triggers") or {}
    mine = {
        labels.PROJECT: project.name,
        labels.SERVICE: job,
        labels.CONFIG_HASH: service_digest(project, job, world.contents).config_hash,
        labels.WORKING_DIR: str(project.directory),
    }
    body: JobBody = {
        "Container": request.body,
        "ContainerName": stem,
        "Labels": mine,
        "Manual": triggers.get("manual") is not False,
    }
    if "x-retries" in triggers:
        body["Retries"] = triggers["x-retries"]
    if "x-keep" in triggers:
        body["Keep"] = triggers["x-keep"]
    if triggers.get("x-retry-delay"):
        body["RetryDelay"] = triggers["x-retry-delay"].seconds
    for entry in triggers.get("schedule") or ():
        body["Schedule"] = _schedule(entry)
    return body


def _schedule(entry: Schedule) -> JobSchedule:
    found: JobSchedule = {}
    if entry.get("cron"):
        found["Cron"] = entry["cron"]
    if entry.get("timezone"):
        found["Timezone"] = entry["timezone"]
    if entry.get("concurrency"):
        found["Concurrency"] = entry["concurrency"]
    if entry.get("missed_fires"):
        found["MissedFires"] = entry["missed_fires"]
    return found


def remove_job(world: World, operation: RemoveJob) -> None:
    try:
        world.engine.jobs.remove(operation.name)
    except NotFound:
        return
