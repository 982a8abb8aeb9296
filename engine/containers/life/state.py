"""A container's state as a value: what the shim's facts and the engine's intent mean together, in Docker's words.

Pure. The facts come from shim events or status.json; nothing here waits or touches the kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ....grammar import ages
from ...timestamps import rfc3339

if TYPE_CHECKING:
    from ...runtime.client import ShimState
    from ..spec.shown import StateShown

Status = Literal["created", "running", "paused", "restarting", "removing", "exited", "dead"]

UNKNOWN_EXIT = 255


@dataclass(frozen=True, slots=True)
class State:
    """Times in ns since the epoch (None: never). ``pid_starttime`` in clock ticks since boot. ``exit_code`` is Docker's:
    255 when the end is not known, with the reason in ``error``."""

    status: Status = "created"
    pid: int = 0
    pid_starttime: int = 0
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    started_at: int | None = None
    finished_at: int | None = None
    restart_count: int = 0

    @property
    def running(self) -> bool:
        """A process exists, frozen or not."""
        return self.status in ("running", "paused")

    @property
    def active(self) -> bool:
        """Running, or about to run again by policy: the container holds its networks and cannot simply be removed."""
        return self.status in ("running", "paused", "restarting")

    def to_docker(self) -> StateShown:
        """State of a container's inspect, without Health."""
        return {
            "Status": self.status,
            "Running": self.active,
            "Paused": self.status == "paused",
            "Restarting": self.status == "restarting",
            "OOMKilled": self.oom_killed,
            "Dead": self.status == "dead",
            "Pid": self.pid,
            "ExitCode": self.exit_code,
            "Error": self.error,
            "StartedAt": rfc3339(self.started_at),
            "FinishedAt": rfc3339(self.finished_at),
        }


def from_facts(facts: ShimState | None, *, alive: bool, error: str = "", exit_code: int = 0) -> State:
    """The state that a status file (None: there is none) tells, with whether its container is known to live.

    ``error`` and ``exit_code`` are those of a start that failed before there were facts.
    """
    if facts is None or facts.started_at is None:
        return State("created", error=error or (facts.error if facts else ""), exit_code=exit_code)
    if alive and facts.status in ("running", "restarting"):
        status: Status = "running" if facts.status == "running" else "restarting"
        return State(
            status,
            facts.pid or 0,
            facts.pid_starttime or 0,
            facts.exit_code or 0 if status == "restarting" else 0,
            "",
            facts.oom_killed,
            facts.started_at,
            facts.finished_at,
            facts.restart_count,
        )
    unknown = facts.exit_code is None or facts.status in ("running", "restarting")
    return State(
        "exited",
        exit_code=UNKNOWN_EXIT if facts.exit_code is None else facts.exit_code,
        error=error or facts.error or ("the exit status was lost" if unknown else ""),
        oom_killed=facts.oom_killed,
        started_at=facts.started_at,
        finished_at=facts.finished_at,
        restart_count=facts.restart_count,
    )


def status_text(state: State, now: int, health: str | None = None) -> str:
    """The STATUS column of a listing: "Up 3 minutes (healthy)", "Exited (0) 2 hours ago", "Created"…"""

    def since(moment: int | None) -> str:
        return ages.format(0 if moment is None else max(0, now - moment) / 1e9)

    if state.status == "running":
        suffix = {None: "", "none": "", "starting": " (health: starting)"}.get(health, f" ({health})")
        return f"Up {since(state.started_at)}{suffix}"
    if state.status == "paused":
        return f"Up {since(state.started_at)} (Paused)"
    if state.status == "restarting":
        return f"Restarting ({state.exit_code}) {since(state.finished_at)} ago"
    if state.status == "removing":
        return "Removal In Progress"
    if state.status == "dead":
        return "Dead"
    if state.started_at is None:
        return "Created"
    return f"Exited ({state.exit_code}) {since(state.finished_at)} ago"
