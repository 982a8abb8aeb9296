"""What our own engine keeps beside containers, as values: jobs with their runs, snapshots, leases, builds with their steps. Pure.

Times are seconds since the epoch, 0 for none.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from ... import labels
from ..loglines import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ...client.bodies import builds as builds_bodies
    from ...client.bodies import jobs as jobs_bodies
    from ...client.bodies import volumes as volumes_bodies

RUNS = 50
"""So many runs of a job are kept, the newest."""

WORDS = 4096
"""Characters of an error, of a step's text and of its output."""


class Run(NamedTuple):
    """``code`` is None for one that has not ended; ``container`` is that of its last attempt."""

    number: int
    state: str
    code: int | None
    trigger: str
    attempts: int
    started: float
    finished: float
    container: str
    error: str


class Job(NamedTuple):
    """``name`` is that in the Compose file; ``runs`` come newest first; ``next`` is when the schedule fires."""

    name: str
    project: str
    directory: str
    files: str
    env_files: str
    trigger: str
    state: str
    paused: bool
    next: float
    skipped: int
    missed: int
    runs: tuple[Run, ...]


class Snapshot(NamedTuple):
    name: str
    project: str
    at: float
    volumes: tuple[str, ...]


class Lease(NamedTuple):
    """``owner`` as users write it; ``until`` is the end of an owner by time."""

    id: str
    project: str
    owner: str
    until: float
    state: str
    at: float
    reason: str


class Step(NamedTuple):
    """One step of a build; ``output`` is the end of what it wrote."""

    number: int
    stage: str
    text: str
    state: str
    began: float
    seconds: float
    output: str


class Build(NamedTuple):
    """``state`` is running, done or failed. ``total`` is the number of instructions, 0 before it is known."""

    id: str
    name: str
    project: str
    service: str
    state: str
    began: float
    finished: float
    total: int
    image: str
    error: str
    steps: tuple[Step, ...]


def job(tree: jobs_bodies.Job, runs: Sequence[jobs_bodies.Run]) -> Job:
    """One element of GET /pycompose/jobs, and its runs, oldest first."""
    tags = tree.get("Labels") or {}
    schedule = tree.get("Schedule")
    return Job(
        name=str(tags.get(labels.SERVICE) or tree["Name"]),
        project=str(tags.get(labels.PROJECT) or ""),
        directory=str(tags.get(labels.WORKING_DIR) or ""),
        files=str(tags.get(labels.CONFIG_FILES) or ""),
        env_files=str(tags.get(labels.ENVIRONMENT_FILE) or ""),
        trigger=f"{schedule['Cron']} ({schedule.get('Timezone') or 'UTC'})" if schedule else "by hand",
        state=tree.get("State") or "",
        paused=bool(tree.get("Paused")),
        next=seconds(tree.get("NextFire")),
        skipped=tree.get("Skipped") or 0,
        missed=tree.get("Missed") or 0,
        runs=tuple(_run(one) for one in reversed(runs[-RUNS:])),
    )


def _run(one: jobs_bodies.Run) -> Run:
    return Run(
        number=one.get("Iteration") or 0,
        state=one.get("State") or "",
        code=one.get("ExitCode"),
        trigger=one.get("Trigger") or "",
        attempts=one.get("Attempt") or 0,
        started=seconds(one.get("Started")),
        finished=seconds(one.get("Finished")),
        container=(one.get("Containers") or [""])[-1],
        error=plain(str(one.get("Error") or ""))[:WORDS],
    )


def snapshot(tree: volumes_bodies.Snapshot) -> Snapshot:
    """One element of GET /pycompose/snapshots. Its group is the project that it was saved of."""
    return Snapshot(tree["Name"], str(tree.get("Group") or ""), tree["Created"] / 1e9, tuple(tree["Volumes"]))


def lease(tree: jobs_bodies.Lease) -> Lease:
    """One element of GET /pycompose/leases."""
    owner = tree["Owner"]
    return Lease(
        id=tree["Id"],
        project=tree["Labels"].get(labels.PROJECT, ""),
        owner=plain(str(owner.get("Text") or "")),
        until=(owner.get("Expires") or 0) / 1e9,
        state=tree["State"],
        at=tree["Created"] / 1e9,
        reason=plain(tree.get("Reason") or ""),
    )


def build(tree: builds_bodies.Recent) -> Build:
    """One element of ``Builds`` of GET /pycompose/builds."""
    tags = tree.get("Labels") or {}
    return Build(
        id=tree["Id"],
        name=str(tree.get("Name") or ""),
        project=tags.get(labels.PROJECT, ""),
        service=tags.get(labels.SERVICE, ""),
        state=str(tree.get("State") or ""),
        began=(tree.get("Created") or 0) / 1e9,
        finished=(tree.get("Finished") or 0) / 1e9,
        total=tree.get("Total") or 0,
        image=str(tree.get("Image") or ""),
        error=_lines(str(tree.get("Error") or "")),
        steps=tuple(_step(one) for one in tree.get("Steps") or ()),
    )


def _step(one: builds_bodies.RecentStep) -> Step:
    return Step(
        number=one.get("Number") or 0,
        stage=str(one.get("Stage") or ""),
        text=plain(str(one.get("Text") or ""))[:WORDS],
        state=str(one.get("State") or ""),
        began=(one.get("Created") or 0) / 1e9,
        seconds=one.get("Seconds") or 0.0,
        output=_lines(str(one.get("Output") or "")),
    )


def _lines(text: str) -> str:
    return "\n".join(map(plain, text[-WORDS:].splitlines()))


def merged(known: Sequence[Build], ids: Iterable[str], changed: Iterable[builds_bodies.Recent]) -> tuple[Build, ...]:
    """The builds that there still are, with those that have changed since they were read; newest first."""
    found: Mapping[str, Build] = {one.id: one for one in (*known, *map(build, changed))}
    return tuple(found[id] for id in reversed(list(ids)) if id in found)


def seconds(moment: str | None) -> float:
    """RFC 3339 as seconds since the epoch; 0 for none, and for the year 1 that Go's zero time is in."""
    if not moment or moment.startswith("0001"):
        return 0.0
    try:
        return datetime.fromisoformat(moment).timestamp()
    except ValueError:
        return 0.0
