"""The jobs of an engine: registered, fired, run, recorded.

    fire or request ─► run record "pending" + cursor, in one transaction ─► container ─► "running" ─► exit code ─► record

The record comes first, so an engine that is killed anywhere owes the run and pays it once: a pending run without a
container gets one, a container that was not started is started, one that has run tells its exit code. How a run goes
is execute.py; when one is due is schedule.py.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import anyio

from ..containers.life import remove, stop
from ..errors import Conflict, EngineError, InvalidParameter, NotFound, NotModified
from . import execute
from .clock import WallClock
from .record import FINISHED, RUN_LABEL, Job, Run, parse
from .schedule import State, Trigger, step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anyio.abc import TaskGroup

    from ..containers.life.container import Container
    from ..containers.life.service import Containers
    from ..store import Store
    from .clock import Clock

log = logging.getLogger(__name__)

JOB, RUN = "job", "job-run"
MOST_JOBS = 1000
AGAIN = 10.0
"""Seconds until what is due is tried again, when it could not be written down."""


class Jobs:
    def __init__(self, store: Store, containers: Containers, clock: Clock | None = None) -> None:
        self._store = store
        self._containers = containers
        self._clock = clock or WallClock()
        self._jobs: dict[str, Job] = {}
        self._runs: dict[str, dict[int, Run]] = {}
        self._changed = anyio.Event()
        self._changing = anyio.Lock()
        """Held while a job's record is read, decided about and written: the loop goes on meanwhile."""

    # look-up -------------------------------------------------------------------------------------------------------
    def get(self, ref: str) -> Job:
        """By name or id. Raises NotFound."""
        for job in self._jobs.values():
            if ref in (job.name, job.id) and not job.removing:
                return job
        raise NotFound(f"No such job: {ref}")

    def with_labels(self, labels: Mapping[str, str]) -> list[Job]:
        """Those that have all the labels, by name."""
        found = [job for job in self._jobs.values() if not job.removing]
        return sorted(
            (job for job in found if all(job.labels.get(name) == value for name, value in labels.items())),
            key=lambda job: job.name,
        )

    def runs(self, job: Job) -> list[Run]:
        """Oldest first."""
        return [run for _, run in sorted(self._runs.get(job.id, {}).items())]

    def run(self, job: Job, iteration: int | None = None) -> Run:
        """A run by number, the last one without. Raises NotFound."""
        runs = self._runs.get(job.id, {})
        wanted = max(runs, default=0) if iteration is None else iteration
        if wanted not in runs:
            raise NotFound(f"job {job.name} has no run {iteration}" if iteration else f"job {job.name} has not run yet")
        return runs[wanted]

    def last(self, job: Job) -> Run | None:
        runs = self.runs(job)
        return runs[-1] if runs else None

    def current(self, job: Job) -> Run | None:
        """The run in progress."""
        last = self.last(job)
        return last if last is not None and last.stage not in FINISHED else None

    def following(self, job: Job) -> float | None:
        """When the schedule fires next."""
        if job.schedule is None or job.paused or job.removing:
            return None
        return job.schedule.after(job.cursor)

    @property
    def busy(self) -> bool:
        """Whether the engine is needed: a run is in progress, or one will come."""
        return any(self.current(job) or self.following(job) is not None for job in self._jobs.values())

    # changes -------------------------------------------------------------------------------------------------------
    async def register(self, name: str, body: Mapping[str, object]) -> Job:
        """A new job, or another definition of one, whose runs and number stay. Raises InvalidParameter, Conflict."""
        async with self._changing:
            job = self._defined(name, body)
            await self._save(job)
        self._tell(job, "register")
        return job

    def _defined(self, name: str, body: Mapping[str, object]) -> Job:
        known = self._jobs.get(name)
        if known is not None and known.removing:
            raise Conflict(f"job {name} is being removed")
        if known is None and len(self._jobs) >= MOST_JOBS:
            raise Conflict(f"there are {MOST_JOBS} jobs already")
        job = parse(name, known.id if known else secrets.token_hex(16), body, self._clock.now())
        if known is not None:
            same = known.schedule == job.schedule
            job = replace(
                job,
                created=known.created,
                paused=known.paused,
                count=known.count,
                queued=known.queued,
                cursor=known.cursor if same else job.cursor,
            )
        return job

    async def pause(self, job: Job, *, paused: bool) -> Job:
        """A paused job does not fire; what would have fired meanwhile does not count as missed."""
        async with self._changing:
            job = self.get(job.name)
            if job.paused == paused:
                raise NotModified("")
            changed = replace(job, paused=paused, cursor=job.cursor if paused else self._clock.now())
            await self._save(changed)
        self._tell(job, "pause" if paused else "resume")
        return changed

    async def trigger(self, job: Job) -> Run:
        """Start a run now. Raises Conflict."""
        async with self._changing:
            job = self.get(job.name)
            if not job.manual:
                raise Conflict(f"job {job.name} cannot be started by hand: its triggers say manual: false")
            if (current := self.current(job)) is not None:
                raise Conflict(f"job {job.name} is running already (run {current.iteration})")
            return await self._begin(job, "manual", 0.0)

    async def cancel(self, job: Job) -> Run:
        """Stop the run in progress; its end is awaited. Raises Conflict when there is none."""
        run = self.current(job)
        if run is None:
            raise Conflict(f"job {job.name} is not running")
        self.note(replace(run, stage="cancelled", finished=int(self._clock.now() * 1e9)))
        for container in self.containers_of(run):
            if container.state.active:
                try:
                    await stop.stop(self._containers, container)
                except NotModified:
                    continue
        return self.run(job, run.iteration)

    async def remove(self, job: Job) -> None:
        """End what runs, and remove the containers, the records and the job. Done again by the next engine when cut short."""
        async with self._changing:
            job = self._jobs.get(job.name, job)
            if not job.removing:
                await self._save(replace(job, removing=True))
        for run in self.runs(job):
            if run.stage not in FINISHED:
                self.note(replace(run, stage="cancelled"))
            await self.discard(run)
        self._store.delete(JOB, job.name)
        self._jobs.pop(job.name, None)
        self._runs.pop(job.id, None)
        self._tell(job, "remove")
        self._wake()

    async def wait(self, job: Job, iteration: int) -> Run:
        """The run once it has finished."""
        while (run := self.run(job, iteration)).stage not in FINISHED:
            await self._changed.wait()
        return run

    async def wait_started(self, job: Job, iteration: int) -> Run:
        """The run once it has a container, or has ended without."""
        while not (run := self.run(job, iteration)).started and run.stage not in FINISHED:
            await self._changed.wait()
        return run

    # what a run tells ------------------------------------------------------------------------------------------------
    def note(self, run: Run) -> None:
        """Remember how a run stands; what has happened is kept whatever the disk says."""
        self._store.keep(RUN, run.key, run.document())
        self._runs.setdefault(run.job, {})[run.iteration] = run
        job = next((one for one in self._jobs.values() if one.id == run.job), None)
        if job is not None and not job.removing:
            code = "" if run.exit_code is None else str(run.exit_code)
            self._tell(job, run.stage, run=str(run.iteration), exitCode=code)
        self._wake()

    def latest(self, run: Run) -> Run | None:
        """The run as it is known now; None when its job is gone."""
        return self._runs.get(run.job, {}).get(run.iteration)

    def containers_of(self, run: Run) -> list[Container]:
        return [one for one in self._containers if one.record.labels.get(RUN_LABEL) == run.id]

    async def discard(self, run: Run) -> None:
        """Forget a run and remove its containers."""
        for container in self.containers_of(run):
            try:
                await remove.remove(self._containers, container, force=True, volumes=True)
            except (Conflict, NotFound):
                continue  # somebody else is removing it
        self._store.delete(RUN, run.key)
        self._runs.get(run.job, {}).pop(run.iteration, None)

    # schedule ------------------------------------------------------------------------------------------------------
    async def tick(self) -> None:
        """Consider every fire up to now, and what is owed after a run that has ended."""
        now = self._clock.now()
        for name in list(self._jobs):
            async with self._changing:
                job = self._jobs.get(name)
                if job is not None and not job.paused and not job.removing:
                    await self._consider(job, now)

    async def _consider(self, job: Job, now: float) -> None:
        running = self.current(job) is not None
        if job.queued and not running:
            await self._begin(replace(job, queued=False), "queue", 0.0)
            return
        if job.schedule is None:
            return
        state = State(job.cursor, running, job.queued)
        outcome = step(job.schedule, state, now)
        if outcome.state == state:
            return
        noted = replace(
            job,
            cursor=outcome.state.cursor,
            queued=outcome.state.queued,
            skipped=job.skipped + outcome.skipped,
            missed=job.missed + outcome.missed,
        )
        if outcome.start is not None:
            await self._begin(noted, outcome.start, outcome.scheduled)
        elif outcome.fired or outcome.state.cursor < job.cursor:
            await self._save(noted)
            self._tell(noted, "skip")

    async def watch(self) -> None:
        """Fire what is due, for as long as the engine lives."""
        while True:
            changed = self._changed
            earliest = 0.0
            try:
                await self.tick()
            except EngineError as error:  # what is due stays due
                log.error("scheduled jobs: %s; tried again in %.0f s", error, AGAIN)
                earliest = self._clock.now() + AGAIN
            following = (self.following(job) for job in list(self._jobs.values()))
            moments = [max(moment, earliest) for moment in following if moment is not None]
            if earliest:
                moments.append(earliest)

            async def wait(changed: anyio.Event, group: TaskGroup) -> None:
                await changed.wait()
                group.cancel_scope.cancel()

            async with anyio.create_task_group() as group:
                group.start_soon(wait, changed, group)
                await self._clock.until(min(moments, default=None))
                group.cancel_scope.cancel()

    async def recover(self) -> None:
        """Read the records, and go on with what an earlier engine has begun. Containers have been recovered."""
        for body in self._store.all(JOB).values():
            job = Job.from_document(body)
            self._jobs[job.name] = job
        ids = {job.id for job in self._jobs.values()}
        for key, body in self._store.all(RUN).items():
            run = Run.from_document(body)
            if run.job in ids:
                self._runs.setdefault(run.job, {})[run.iteration] = run
            else:
                self._store.delete(RUN, key)
        for job in list(self._jobs.values()):
            if job.removing:
                self._containers.spawn(f"removal of job {job.name}", partial(self.remove, job))
            elif (current := self.current(job)) is not None:
                self._carry_out(job, current)

    def finished(self, job_id: str) -> None:
        """A run has ended: the queue moves on (`tick`), and the oldest runs go."""
        job = next((one for one in self._jobs.values() if one.id == job_id), None)
        if job is None or job.removing:
            return
        for run in self.runs(job)[: -job.keep]:
            self._containers.spawn(f"removal of run {run.key}", partial(self.discard, run))
        self._wake()

    async def _begin(self, job: Job, trigger: Trigger, scheduled: float) -> Run:
        """Write down that a run is owed, then see to it."""
        job = replace(job, count=job.count + 1)
        created = int(self._clock.now() * 1e9)
        run = Run(job.id, secrets.token_hex(16), job.count, trigger, created, scheduled)
        await self._write(job, run)
        self._runs.setdefault(job.id, {})[run.iteration] = run
        self._carry_out(job, run)
        self._tell(job, run.stage, run=str(run.iteration))
        self._wake()
        return run

    def _carry_out(self, job: Job, run: Run) -> None:
        async def work() -> None:
            await execute.carry_out(self, self._containers, job, run, self._clock)
            self.finished(job.id)

        self._containers.spawn(f"run {run.iteration} of job {job.name}", work)

    async def _save(self, job: Job) -> None:
        await self._write(job)
        self._wake()

    def _tell(self, job: Job, action: str, **attributes: str) -> None:
        self._containers.events.publish("job", action, job.id, {**job.labels, "name": job.name, **attributes})

    async def _write(self, job: Job, run: Run | None = None) -> None:
        """Both or none. A caller that goes away meanwhile does not keep it from counting. Raises Unavailable."""

        def write() -> None:
            with self._store.transaction():
                self._store.put(JOB, job.name, job.document())
                if run is not None:
                    self._store.put(RUN, run.key, run.document())

        with anyio.CancelScope(shield=True):
            await self._containers.blocking(write)
        self._jobs[job.name] = job

    def _wake(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()


def check_labels(texts: list[str]) -> dict[str, str]:
    """``label=value`` as a query has it. Raises InvalidParameter."""
    found = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not name or not separator:
            raise InvalidParameter(f"invalid label {text[:80]!r}: want name=value")
        found[name] = value
    return found
