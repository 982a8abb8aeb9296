"""How a build's events become BuildKit's plain lines, and what they say of steps that run at the same time."""

from __future__ import annotations

import io
from typing import Any

from pycompose.compose.cli.show.building.plain import PlainView
from pycompose.compose.cli.show.render.plain import PlainRenderer
from pycompose.compose.cli.show.transfer import row_text
from pycompose.compose.run.events import BuildStep
from pycompose.engine.build.progress import (
    Classic,
    Event,
    Finished,
    Planned,
    StepCached,
    StepDone,
    StepFailed,
    StepLog,
    StepNote,
    StepStarted,
    lines,
)


def _plain(events: list[Event]) -> str:
    out = io.StringIO()
    with PlainView(out) as view:
        for event in events:
            view.handle(lines(event))
    return out.getvalue()


_EVENTS: list[Event] = [
    StepStarted(1, "", "[internal] load build definition from Dockerfile", 0, 0, kind="internal"),
    StepNote(1, "transferring dockerfile: 12B"),
    StepDone(1, 0.04),
    Planned(4, work=3),
    StepStarted(2, "a", "FROM debian AS a", 1, 2, 1, "base"),
    StepCached(2),
    StepStarted(3, "a", "ENV A=1", 0, 0, 2, "config"),
    StepDone(3, 0.0),
    StepStarted(4, "a", "RUN  one \\\n two", 2, 2, 3),
    StepStarted(5, "b", "COPY . /", 1, 1, 4),
    StepLog(4, "stdout", b"half a "),
    StepDone(5, 1.26),
    StepLog(4, "stderr", b"line\nrest"),
    StepFailed(4, 'process "/bin/sh -c one" failed', "Dockerfile:3", "half a line\nrest", 1),
]


def _without_times(text: str) -> list[str]:
    return [" ".join("T" if word.startswith("0.00") else word for word in line.split(" ")) for line in text.split("\n")]


def test_plain_lines_are_those_of_buildkit() -> None:
    assert _without_times(_plain(_EVENTS)) == [
        "#1 [internal] load build definition from Dockerfile",
        "#1 transferring dockerfile: 12B done",
        "#1 DONE 0.0s",
        "",
        "#2 [a 1/2] FROM debian AS a",
        "#2 CACHED",
        "",
        "#3 [a 2/2] RUN one \\ two",
        "#3 ...",
        "",
        "#4 [b 1/1] COPY . /",
        "#4 DONE 1.3s",
        "",
        "#3 [a 2/2] RUN one \\ two",
        "#3 T half a line",
        "#3 T rest",
        '#3 ERROR: process "/bin/sh -c one" failed',
        "------",
        " > [a 2/2] RUN one \\ two:",
        "half a line",
        "rest",
        "------",
        "",
    ]


def test_builds_of_several_services_are_numbered_together() -> None:
    out = io.StringIO()
    renderer = PlainRenderer(out)
    with renderer:
        for event in _EVENTS[:3]:
            for service in ("db", "web"):
                renderer.handle(BuildStep(service, lines(event)))
        renderer.handle(BuildStep("web", lines(StepStarted(2, "", "RUN make", 1, 1))))
        renderer.handle(BuildStep("web", lines(StepStarted(3, "", "exporting to image", 0, 0, kind="internal"))))
    shown = [line for line in out.getvalue().splitlines() if line]
    assert [line for line in shown if "transferring" in line or "DONE" in line] == [
        "#1 transferring dockerfile: 12B done",
        "#2 transferring dockerfile: 12B done",
        "#1 DONE 0.0s",
        "#2 DONE 0.0s",
    ]
    assert shown[0] == "#1 [db internal] load build definition from Dockerfile"
    assert shown[-3:] == ["#3 [web 1/1] RUN make", "#3 ...", "#4 [web] exporting to image"]


def test_a_row_never_wraps() -> None:
    row = row_text("a1b2c3d4e5f6", "Downloading", {"current": 21_500_000, "total": 61_200_000}, 99)
    assert row.startswith("a1b2c3d4e5f6: Downloading [====") and row.endswith("]   21.5MB/61.2MB")
    for width in range(5, 140):
        assert len(row_text("a1b2c3d4e5f6", "Downloading", {"current": 5, "total": 61_200_000}, width)) <= width
        assert len(row_text("a1b2c3d4e5f6", "Waiting", {}, width)) <= width


def test_the_classic_stream_counts_instructions_only() -> None:
    fold = Classic()
    said: list[Any] = [message for event in _EVENTS[:9] for message in fold.render(event)]
    assert [one["stream"] for one in said if one["stream"].startswith("Step")] == [
        "Step 1/4 : FROM debian AS a\n",
        "Step 2/4 : ENV A=1\n",
        "Step 3/4 : RUN  one \\\n two\n",
    ]
    assert next(iter(fold.render(Finished("sha256:" + "a" * 64)))) == {"aux": {"ID": "sha256:" + "a" * 64}}
