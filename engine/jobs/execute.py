"""One run of a job, from its record to its exit code, in as many attempts as the job allows.

Every step looks at what is there before it acts, for an earlier engine may have been killed after any of them.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from ..containers.life import create, start
from ..errors import EngineError, NotModified
from ..refusals import told
from ..shapes import members
from .record import ATTEMPT_LABEL, FINISHED, JOB_LABEL, RUN_LABEL, Job, Run

if TYPE_CHECKING:
    from ..containers.life.container import Container
    from ..containers.life.service import Containers
    from .clock import Clock


class Runs(Protocol):
    """Who keeps the runs (service.py)."""

    def note(self, run: Run) -> None:
        """Remember how a run stands."""

    def latest(self, run: Run) -> Run | None:
        """The run as it is known now; None when its job is gone."""

    def containers_of(self, run: Run) -> list[Container]: ...


async def carry_out(jobs: Runs, containers: Containers, job: Job, run: Run, clock: Clock) -> None:
    """Bring the run to its end, whatever that is."""
    while True:
        run = await _attempt(jobs, containers, job, run)
        known = jobs.latest(run)
        if known is None or known.stage in FINISHED:
            return  # cancelled or removed meanwhile
        if run.exit_code == 0 or run.attempt > job.retries:
            stage = "succeeded" if run.exit_code == 0 and not run.error else "failed"
            jobs.note(replace(run, stage=stage, finished=time.time_ns()))  # type: ignore[arg-type]
            return
        if job.retry_delay:
            await clock.until(clock.now() + job.retry_delay)
            known = jobs.latest(run)
            if known is None or known.stage in FINISHED:
                return
        run = replace(run, attempt=run.attempt + 1, exit_code=None, error="")
        jobs.note(run)


async def _attempt(jobs: Runs, containers: Containers, job: Job, run: Run) -> Run:
    """The run after its current attempt, with an exit code or an error."""
    try:
        container = _found(jobs, run) or await _made(containers, job, run)
        if container.id not in run.containers:
            run = replace(run, containers=(*run.containers, container.id))
        if container.state.started_at is None and not container.state.active:
            with suppress(NotModified):
                await start.start(containers, container)
        run = replace(run, stage="running", started=run.started or container.state.started_at or time.time_ns())
    except EngineError as error:
        return replace(run, error=str(error), exit_code=getattr(error, "exit_code", None))
    except (
        OSError,
        MemoryError,
    ) as error:  # no room for a container, for example: without an end the next run would wait for ever
        return replace(run, error=told(error, containers.layout.state))
    known = jobs.latest(run)
    if known is None or known.stage in FINISHED:
        return run
    jobs.note(run)
    await container.until(lambda: container.removed or not container.state.active)
    if container.removed:
        return replace(run, error="its container was removed")
    state = container.state
    return replace(run, exit_code=state.exit_code, error=state.error)


def _found(jobs: Runs, run: Run) -> Container | None:
    """The container that an earlier engine has made for this attempt."""
    for container in jobs.containers_of(run):
        if container.record.labels.get(ATTEMPT_LABEL) == str(run.attempt):
            return container
    return None


async def _made(containers: Containers, job: Job, run: Run) -> Container:
    own = {JOB_LABEL: job.id, RUN_LABEL: run.id, ATTEMPT_LABEL: str(run.attempt)}
    # A run is one run: neither restarted by a policy nor gone before its exit code and output have been read.
    once = {"AutoRemove": False, "RestartPolicy": {"Name": "no"}}
    body = {
        **job.body,
        "Labels": {**members(job.body.get("Labels")), **own},
        "HostConfig": {**members(job.body.get("HostConfig")), **once},
    }
    suffix = f"-{run.attempt}" if run.attempt > 1 else ""
    container, _ = await create.create(containers, body, name=f"{job.container}-{run.iteration}{suffix}")
    return container
