"""When a scheduled job fires. Pure: times are seconds since the epoch, the clock is the caller's.

A fire is a moment of the schedule. Each counts once: ``cursor`` is the moment up to which all have been considered, and it
goes with the job's record. What ``step`` makes of those since then depends on two settings only:

    missed_fires   one: the fires that nobody was there for become a single run; skip: they are dropped
    concurrency    forbid: a fire during a run is dropped; queue: one run follows the current one, however many fired
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from ..errors import InvalidParameter

if TYPE_CHECKING:
    from datetime import tzinfo

Concurrency = Literal["forbid", "queue"]
MissedFires = Literal["one", "skip"]
Trigger = Literal["manual", "schedule", "catch-up", "queue"]

LATE = 30.0
"""Seconds after which a fire has been missed: less than the minute between two."""
CORRECTION = 3 * 3600.0
"""A clock that is set back by more than this was wrong before; by less, and no fire comes a second time."""

_FIELDS = re.compile(r"[0-9*,/-]+( [0-9*,/-]+){4}")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}")


@dataclass(frozen=True, slots=True)
class Schedule:
    """``cron`` has five fields of numbers, lists, ranges and steps; ``timezone`` is an IANA name."""

    cron: str
    timezone: str = "UTC"
    concurrency: Concurrency = "forbid"
    missed_fires: MissedFires = "one"

    def check(self) -> None:
        """Raises InvalidParameter."""
        if self.concurrency not in ("forbid", "queue"):
            raise InvalidParameter(f"concurrency must be forbid or queue, not {self.concurrency!r}")
        if self.missed_fires not in ("one", "skip"):
            raise InvalidParameter(f"missed_fires must be one or skip, not {self.missed_fires!r}")
        zone = _zone(self.timezone)
        if len(self.cron) > 200 or not _FIELDS.fullmatch(" ".join(self.cron.split())):
            raise InvalidParameter(
                f"invalid cron expression {self.cron[:80]!r}: want five fields of numbers, lists, ranges and steps"
            )
        try:
            next(CronSim(self.cron, datetime(2024, 1, 1, tzinfo=zone)))
        except (CronSimError, StopIteration) as error:
            reason = str(error).lower() or "it never fires"
            raise InvalidParameter(f"invalid cron expression {self.cron!r}: {reason}") from None

    def after(self, moment: float) -> float:
        """The first fire after ``moment``."""
        for fire in CronSim(self.cron, datetime.fromtimestamp(moment, UTC).astimezone(_zone(self.timezone))):
            # In the hour that a zone has twice, a fire's first pass may lie behind us.
            if (when := fire.timestamp()) > moment:
                return when
        raise InvalidParameter(f"{self.cron} never fires")


def _zone(name: str) -> tzinfo:
    try:
        if not _ZONE.fullmatch(name):
            raise ValueError
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise InvalidParameter(f"unknown time zone {name[:80]!r}") from None


@dataclass(frozen=True, slots=True)
class State:
    """``cursor``: every fire up to there has been considered. ``queued``: a run is to follow the one in progress."""

    cursor: float
    running: bool = False
    queued: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """``start`` is the trigger of a run to begin now, for the fire of ``scheduled``. ``skipped`` counts fires that came during
    a run; ``missed`` says that some were dropped for being late, ``fired`` that there were any."""

    state: State
    start: Trigger | None = None
    scheduled: float = 0.0
    skipped: int = 0
    missed: bool = False
    fired: bool = False


def step(schedule: Schedule, state: State, now: float) -> Outcome:
    """What is to happen at ``now``; asking again at once gives nothing more."""
    if now < state.cursor - CORRECTION:
        return Outcome(replace(state, cursor=now))
    if now <= state.cursor:
        return Outcome(state)
    first = schedule.after(state.cursor)
    outcome = Outcome(replace(state, cursor=now))
    if first > now:
        return outcome
    outcome = replace(outcome, fired=True)
    recent = max(state.cursor, now - LATE)
    if first <= recent:
        outcome = (
            _fire(schedule, outcome, "catch-up", first)
            if schedule.missed_fires == "one"
            else replace(outcome, missed=True)
        )
        first = schedule.after(recent)
    return _fire(schedule, outcome, "schedule", first) if first <= now else outcome


def _fire(schedule: Schedule, outcome: Outcome, trigger: Trigger, scheduled: float) -> Outcome:
    state = outcome.state
    if not state.running:
        return replace(outcome, state=replace(state, running=True), start=trigger, scheduled=scheduled)
    if schedule.concurrency == "queue":
        return replace(outcome, state=replace(state, queued=True))
    return replace(outcome, skipped=outcome.skipped + 1)
