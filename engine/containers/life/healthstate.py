"""Health as a value, and what one more probe makes of it: pure. When and how is probed are health.py and probes.py."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Literal

from ... import documents
from ...timestamps import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..spec.healthcheck import Check
    from ..spec.shown import HealthShown, ProbeShown

Status = Literal["starting", "healthy", "unhealthy"]

KEPT = 5


@dataclass(frozen=True, slots=True)
class Probe:
    """One result. Times in ns since the epoch; ``exit_code`` -1 means it could not be run or took too long."""

    start: int
    end: int
    exit_code: int
    output: str

    def to_docker(self) -> ProbeShown:
        return {
            "Start": rfc3339(self.start),
            "End": rfc3339(self.end),
            "ExitCode": self.exit_code,
            "Output": self.output,
        }


@dataclass(frozen=True, slots=True)
class Health:
    """``counted`` is when the last failure counted (seconds since the container's start). ``run`` is when the run began that
    this is the health of, in ns since the epoch; 0 in records from before that was noted."""

    status: Status = "starting"
    streak: int = 0
    log: tuple[Probe, ...] = ()
    counted: float = 0.0
    run: int = 0

    def after(self, check: Check, probe: Probe, age: float) -> Health:
        """The health after one more probe that ended when the container was ``age`` seconds old."""
        log = (*self.log, probe)[-KEPT:]
        if probe.exit_code == 0:
            return replace(self, status="healthy", streak=0, log=log, counted=age)
        # Free: within the start period, or sooner than a probe of the regular schedule would have come.
        if self.status == "starting" and age < max(self.counted, check.start_period) + check.interval:
            return replace(self, log=log)
        streak = self.streak + 1
        status: Status = "unhealthy" if streak >= check.retries else self.status
        return replace(self, status=status, streak=streak, log=log, counted=age)

    def to_docker(self) -> HealthShown:
        return {"Status": self.status, "FailingStreak": self.streak, "Log": [probe.to_docker() for probe in self.log]}

    def body(self) -> dict[str, object]:
        return {
            "status": self.status,
            "streak": self.streak,
            "counted": self.counted,
            "run": self.run,
            "log": [asdict(probe) for probe in self.log],
        }

    @staticmethod
    def from_body(body: Mapping[str, object]) -> Health:
        """A probe was a list before records had versions. Raises Incomplete."""
        known = body.get("log")
        log = tuple(
            Probe(*entry) if isinstance(entry, list) else documents.build(Probe, entry)
            for entry in (known if isinstance(known, list) else ())
        )
        return documents.build(Health, body, log=log)
