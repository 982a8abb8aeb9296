"""Schedules of jobs by a clock that jumps, sleeps and is set: none lost or doubled that the settings do not allow."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from pycompose.engine.errors import InvalidParameter
from pycompose.engine.jobs.schedule import CORRECTION, LATE, Schedule, State, step


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def shown(moment: float, zone: str) -> str:
    return datetime.fromtimestamp(moment, ZoneInfo(zone)).strftime("%d %H:%M %z")


MINUTES = Schedule("* * * * *")


def test_a_thousand_fires_of_an_unruly_clock() -> None:
    """Every fire is started, coalesced with others that were missed, or skipped for one in progress; each is counted once."""
    dice = random.Random(7)
    now = at("2026-03-28 12:00:30")
    state = State(now)
    highest = now
    began: list[float] = []
    considered = 0
    while considered < 1000:
        kind = dice.random()
        if kind < 0.75:
            now = max(now, MINUTES.after(state.cursor)) + dice.random() * (LATE / 2)  # awake, and a little late
        elif kind < 0.85:
            now += dice.uniform(60, 40 * 60)  # asleep, or an engine that was away
        elif kind < 0.95:
            now -= dice.uniform(1, CORRECTION / 2)  # set back
        else:
            now += dice.uniform(1, 59)  # woken for nothing
        outcome = step(MINUTES, state, now)
        if now <= highest:
            assert outcome.start is None, "a fire came a second time"
        due = int(now // 60) - int(highest // 60) if now > highest else 0
        assert (outcome.start is not None) == (due > 0), (due, outcome)
        if outcome.start == "catch-up":
            assert now - outcome.scheduled > LATE
            # The one that is due right now as well has met the catch-up in progress.
            assert outcome.skipped == (1 if now % 60 < LATE and due > 1 else 0)
        elif outcome.start == "schedule":
            assert due == 1 and now - outcome.scheduled <= LATE
        if outcome.start:
            began.append(outcome.scheduled)
        considered += due
        highest = max(highest, now)
        state = State(outcome.state.cursor)  # the run is over at once
        assert step(MINUTES, state, now).start is None
    assert len(began) == len(set(began))


@pytest.mark.parametrize(
    ("missed_fires", "concurrency", "expected"),
    [
        ("one", "forbid", ("catch-up", False, 1)),
        ("one", "queue", ("catch-up", True, 0)),
        ("skip", "forbid", ("schedule", False, 0)),
        ("skip", "queue", ("schedule", False, 0)),
    ],
)
def test_an_engine_that_was_away(missed_fires: str, concurrency: str, expected: tuple[str, bool, int]) -> None:
    schedule = Schedule("* * * * *", concurrency=concurrency, missed_fires=missed_fires)
    outcome = step(schedule, State(at("2026-01-01 10:00:30")), at("2026-01-01 10:20:01"))
    assert (outcome.start, outcome.state.queued, outcome.skipped) == expected
    assert outcome.missed is (missed_fires == "skip")


def test_fires_during_a_run() -> None:
    running = State(at("2026-01-01 10:00:30"), running=True)
    outcome = step(MINUTES, running, at("2026-01-01 10:01:00"))
    assert outcome.start is None and outcome.skipped == 1 and not outcome.state.queued
    queueing = Schedule("* * * * *", concurrency="queue")
    first = step(queueing, running, at("2026-01-01 10:01:00"))
    second = step(queueing, first.state, at("2026-01-01 10:02:00"))
    assert first.state.queued and second.state.queued and second.fired and second.skipped == 0


def test_a_clock_that_was_wrong_does_not_silence_the_schedule() -> None:
    state = State(at("2030-01-01 00:00"))
    now = at("2026-01-01 10:00:30")
    state = step(MINUTES, state, now).state
    assert state.cursor == now and step(MINUTES, state, now + 31).start == "schedule"


@pytest.mark.parametrize(
    ("cron", "zone", "begin", "fires"),
    [
        # The zone skips 2:00 to 3:00; the nightly job runs right after.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28 12:00", ["29 03:00 +0200", "30 02:30 +0200"]),
        # The zone has 2:00 to 3:00 twice; the nightly job runs once.
        ("30 2 * * *", "Europe/Berlin", "2026-10-24 12:00", ["25 02:30 +0200", "26 02:30 +0100"]),
        ("*/30 * * * *", "Europe/Berlin", "2026-10-25 01:50", ["25 02:00 +0200", "25 02:30 +0200", "25 02:00 +0100"]),
        ("0 0 13 * 5", "UTC", "2026-02-01 00:00", ["06 00:00 +0000", "13 00:00 +0000", "20 00:00 +0000"]),
        ("0 9 * * 7", "Asia/Kathmandu", "2026-02-02 00:00", ["08 09:00 +0545"]),
    ],
)  # fmt: skip
def test_zones(cron: str, zone: str, begin: str, fires: list[str]) -> None:
    moment = at(begin, zone)
    found = []
    for _ in fires:
        moment = Schedule(cron, zone).after(moment)
        found.append(shown(moment, zone))
    assert found == fires


def test_two_years_of_nights_fire_once_each() -> None:
    """Whatever moment of the doubled hour the engine looks at, fires only go forward."""
    schedule = Schedule("30 2 * * *", "Europe/Berlin")
    moment, last = at("2026-01-01 00:00"), at("2028-01-01 00:00")
    nights = set()
    while (following := schedule.after(moment)) < last:
        assert following > moment
        local = datetime.fromtimestamp(following, ZoneInfo("Europe/Berlin")).date()
        assert local not in nights
        nights.add(local)
        for minutes in (1, 20, 45, 61):
            assert schedule.after(following + minutes * 60) > following + minutes * 60
        moment = following
    assert len(nights) == 730
    assert datetime.fromtimestamp(moment, UTC) + timedelta(days=1) >= datetime(2027, 12, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    "schedule",
    [
        Schedule("@daily"), Schedule("* * * *"), Schedule("* * * * * *"), Schedule("60 * * * *"), Schedule("0 0 * jan *"),
        Schedule("0 0 31 2 *"), Schedule("*/0 * * * *"), Schedule(""), Schedule("* * * * *", "Mars/Olympus"),
        Schedule("* * * * *", "../../etc/passwd"), Schedule("* * * * *", concurrency="x"),
        Schedule("* * * * *", missed_fires="x"),
    ],
)  # fmt: skip
def test_malformed_schedules_are_refused(schedule: Schedule) -> None:
    with pytest.raises(InvalidParameter):
        schedule.check()
