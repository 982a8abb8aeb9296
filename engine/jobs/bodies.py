"""Jobs and their runs as the API shows them, in types; only type checkers import this. Times are RFC 3339 text."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class ScheduleShown(TypedDict):
    Cron: str
    Timezone: str
    Concurrency: str
    MissedFires: str


class RunShown(TypedDict):
    ID: str
    Iteration: int
    Trigger: str
    State: str
    Attempt: int
    Created: str
    Scheduled: str | None
    Started: str | None
    Finished: str | None
    ExitCode: int | None
    Error: str
    Containers: list[str]


class JobShown(TypedDict):
    """``Container`` is the body that its containers are created from, where one job is asked for."""

    Name: str
    ID: str
    Created: str
    Labels: dict[str, str]
    Schedule: ScheduleShown | None
    Manual: bool
    Retries: int
    Paused: bool
    State: str
    Queued: bool
    Skipped: int
    Missed: int
    LastRun: RunShown | None
    NextFire: str | None
    Container: NotRequired[object]
