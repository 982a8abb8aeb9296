"""Jobs of our own engine, and leases. Moments are RFC 3339 for jobs, nanoseconds since the epoch for leases."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from .containers import Labels


class Run(TypedDict, total=False):
    """One run of a job; its containers are those of its attempts, in order."""

    ID: str
    Iteration: int
    State: str
    ExitCode: int | None
    Trigger: str
    Attempt: int
    Created: str
    Started: str | None
    Finished: str | None
    Containers: list[str]
    Error: str


class Schedule(TypedDict, total=False):
    Cron: str
    Timezone: str


class Job(TypedDict, total=False):
    Name: str
    Labels: Labels
    State: str
    Paused: bool
    Schedule: Schedule | None
    LastRun: Run | None
    NextFire: str | None
    Skipped: int
    Missed: int


class Owner(TypedDict, total=False):
    """``Kind``: pid, fd or ttl; the last has its seconds and its end."""

    Kind: str
    Text: str
    Pid: int
    Seconds: float
    Expires: int


class Lease(TypedDict, total=False):
    Id: str
    Owner: Owner
    Labels: Labels
    State: str
    Created: int
    Images: list[str]
    Reason: str
