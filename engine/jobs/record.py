"""Records of jobs and their runs. Pure data, and the rules on what a request may ask for.

A run's record is written before its container exists and outlives it: state, exit code, times, and which container has
the output. Times are ns since the epoch.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal

from .. import documents
from ..errors import InvalidParameter
from ..shapes import members, strings
from ..timestamps import rfc3339
from .schedule import Schedule, Trigger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .bodies import JobShown, RunShown

Stage = Literal["pending", "running", "succeeded", "failed", "cancelled"]
FINISHED = ("succeeded", "failed", "cancelled")
KEEP = 10
MOST_KEPT = 1000
MOST_RETRIES = 100
LONGEST_DELAY = 86_400.0
JOB_LABEL, RUN_LABEL, ATTEMPT_LABEL = "com.docker.job.id", "com.docker.job.run-id", "io.pycompose.job.attempt"

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}")


@dataclass(frozen=True, slots=True)
class Job:
    """``body`` is a request to create a container, ``container`` the beginning of its names. ``cursor``, ``queued``,
    ``skipped`` and ``missed`` are the schedule's state; ``count`` is the number of the last run; ``keep`` how many stay."""

    name: str
    id: str
    body: Mapping[str, object]
    created: int
    container: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    schedule: Schedule | None = None
    manual: bool = True
    retries: int = 0
    retry_delay: float = 0.0
    keep: int = KEEP
    paused: bool = False
    removing: bool = False
    cursor: float = 0.0
    queued: bool = False
    skipped: int = 0
    missed: int = 0
    count: int = 0

    def document(self) -> dict[str, object]:
        return asdict(self)

    @staticmethod
    def from_document(body: Mapping[str, object]) -> Job:
        """Raises Incomplete."""
        schedule = members(body.get("schedule"))
        return documents.build(Job, body, schedule=documents.build(Schedule, schedule) if schedule else None)

    def to_api(self, last: Run | None, following: float | None) -> JobShown:
        schedule = self.schedule
        return {
            "Name": self.name,
            "ID": self.id,
            "Created": rfc3339(self.created),
            "Labels": dict(self.labels),
            "Schedule": {
                "Cron": schedule.cron,
                "Timezone": schedule.timezone,
                "Concurrency": schedule.concurrency,
                "MissedFires": schedule.missed_fires,
            }
            if schedule
            else None,
            "Manual": self.manual,
            "Retries": self.retries,
            "Paused": self.paused,
            "State": "running" if last is not None and last.stage not in FINISHED else "idle",
            "Queued": self.queued,
            "Skipped": self.skipped,
            "Missed": self.missed,
            "LastRun": last.to_api() if last else None,
            "NextFire": rfc3339(int(following * 1e9)) if following is not None else None,
        }


@dataclass(frozen=True, slots=True)
class Run:
    """``attempt`` counts from 1; ``containers`` has one id for each attempt that came to have a container."""

    job: str
    id: str
    iteration: int
    trigger: Trigger
    created: int
    scheduled: float = 0.0
    stage: Stage = "pending"
    attempt: int = 1
    started: int = 0
    finished: int = 0
    exit_code: int | None = None
    error: str = ""
    containers: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.job}.{self.iteration:09d}"

    def document(self) -> dict[str, object]:
        return asdict(self)

    @staticmethod
    def from_document(body: Mapping[str, object]) -> Run:
        """Raises Incomplete."""
        return documents.build(Run, body, containers=strings(body.get("containers")))

    def to_api(self) -> RunShown:
        return {
            "ID": self.id,
            "Iteration": self.iteration,
            "Trigger": self.trigger,
            "State": self.stage,
            "Attempt": self.attempt,
            "Created": rfc3339(self.created),
            "Scheduled": rfc3339(int(self.scheduled * 1e9)) if self.scheduled else None,
            "Started": rfc3339(self.started) if self.started else None,
            "Finished": rfc3339(self.finished) if self.finished else None,
            "ExitCode": self.exit_code,
            "Error": self.error,
            "Containers": list(self.containers),
        }


def parse(name: str, id: str, body: Mapping[str, object], now: float) -> Job:
    """A job from a request. Raises InvalidParameter."""
    if not _NAME.fullmatch(name):
        raise InvalidParameter(f"invalid job name {name[:80]!r}: letters, digits, _ . and - are allowed")
    spec = body.get("Container")
    if not isinstance(spec, dict) or not spec:
        raise InvalidParameter("Container: want the body of a request to create a container")
    labels = body.get("Labels") or {}
    if not isinstance(labels, dict) or not all(isinstance(one, str) for pair in labels.items() for one in pair):
        raise InvalidParameter("Labels: want a map of strings")
    manual = body.get("Manual", True)
    if not isinstance(manual, bool):
        raise InvalidParameter("Manual: want true or false")
    delay = body.get("RetryDelay") or 0
    if isinstance(delay, bool) or not isinstance(delay, int | float) or not 0 <= delay <= LONGEST_DELAY:
        raise InvalidParameter(f"RetryDelay: want seconds, 0 to {LONGEST_DELAY:.0f}")
    container = str(body.get("ContainerName") or name)
    if not _NAME.fullmatch(container):
        raise InvalidParameter(f"ContainerName: invalid name {container[:80]!r}")
    return Job(
        name=name,
        id=id,
        body=spec,
        created=int(now * 1e9),
        container=container,
        labels=dict(labels),
        schedule=_schedule(body.get("Schedule")),
        manual=manual,
        retries=_count(body, "Retries", 0, MOST_RETRIES),
        retry_delay=float(delay),
        keep=_count(body, "Keep", KEEP, MOST_KEPT, least=1),
        cursor=now,
    )


def _count(body: Mapping[str, object], member: str, default: int, most: int, least: int = 0) -> int:
    value = body.get(member, default)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidParameter(f"{member}: want a number from {least} to {most}")
    return value


def _schedule(body: object) -> Schedule | None:
    if body is None:
        return None
    if not isinstance(body, dict) or not all(isinstance(value, str) for value in body.values()):
        raise InvalidParameter("Schedule: want an object of strings with Cron")
    schedule = Schedule(
        body.get("Cron") or "",
        body.get("Timezone") or "UTC",
        body.get("Concurrency") or "forbid",
        body.get("MissedFires") or "one",
    )
    schedule.check()
    return schedule
