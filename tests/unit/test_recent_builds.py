"""What the engine remembers of builds is of bounded size, whatever they write."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from pycompose.engine.build.progress import Event, StepDone, StepFailed, StepLog, StepStarted
from pycompose.engine.build.recent import KEPT, MOST_OUTPUT, MOST_STEPS, OUTPUT, BuildShown, Recent


def build(recent: Recent, events: list[Event]) -> None:
    options = cast("Any", SimpleNamespace(tags=(), labels={}))
    with recent.follow(options, lambda event: None) as tell:
        for event in events:
            tell(event)


def of(events: list[Event]) -> BuildShown:
    recent = Recent(lambda *event: None)
    build(recent, events)
    (found,) = recent.shown()["Builds"]
    return found


def flood(number: int) -> list[Event]:
    return [
        StepStarted(number, "", "RUN " + "x" * OUTPUT * 2, 0, 0),
        StepLog(number, "stdout", b"y" * OUTPUT * 3),
        StepDone(number, 0.1),
    ]


def test_many_steps_that_write_much() -> None:
    found = of([event for number in range(MOST_STEPS * 2) for event in flood(number)])
    assert len(found["Steps"]) == MOST_STEPS
    assert sum(len(step["Output"]) for step in found["Steps"]) <= MOST_OUTPUT
    assert max(len(step["Text"]) for step in found["Steps"]) == OUTPUT
    assert found["Steps"][-1]["Output"] and not found["Steps"][0]["Output"], "the newest are kept"


def test_what_has_failed_keeps_its_words() -> None:
    failed: list[Event] = [
        StepStarted(0, "", "RUN false", 0, 0),
        StepLog(0, "stderr", b"no such file"),
        StepFailed(0, "exit code: 1", "Dockerfile:3", "no such file", 1),
    ]
    found = of([*failed, *(event for number in range(1, MOST_STEPS) for event in flood(number))])
    assert found["Steps"][0]["Output"] == "no such file"
    assert "exit code: 1" in found["Error"]


def test_many_builds() -> None:
    recent = Recent(lambda *event: None)
    for _ in range(KEPT * 2):
        build(recent, [])
    assert len(recent.shown()["Builds"]) == KEPT
