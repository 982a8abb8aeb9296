"""The steps of a build as a block of lines for a terminal: a line for each with its time, under each running one the end of what it
says. The block is redrawn by whoever shows it; nothing is written here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .view import log_text, notice_text, status_text, title

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ....client.bodies.builds import Event

_LOG_LINES = 6
_KEPT_LINES = 50
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-Z\\-_]|[\x00-\x08\x0b-\x1f\x7f]")
_COLORS = {"working": "34", "done": "32", "cached": "36", "error": "31", "canceled": "33"}
_WORDS = {"cached": "CACHED ", "error": "ERROR ", "canceled": "CANCELED "}


@dataclass(slots=True)
class _Step:
    title: str
    started: float
    state: str = "working"
    finished: float = 0.0
    output: list[str] = field(default_factory=list)
    partial: str = ""
    status: str = ""
    notes: list[tuple[str, float]] = field(default_factory=list)


class StepBlock:
    """Takes a build's events; all times are in seconds of the caller's clock."""

    def __init__(self, *, color: bool) -> None:
        self._color = color
        self._steps: dict[int, _Step] = {}
        self._work = self._internal = 0
        self.notices: list[str] = []
        self.failed: Event | None = None

    def handle(self, event: Event, now: float) -> None:
        match event["event"]:
            case "Planned":
                self._work = int(event["work"])
            case "StepStarted":
                if event["kind"] != "config":
                    self._internal += event["kind"] == "internal"
                    self._steps[int(event["step"])] = _Step(title(event), now)
            case "Notice":
                self.notices.append(f" ! {notice_text(event)}")
            case "StepFailed":
                self.failed = event
                self._finish(event, "error", now)
            case "StepDone":
                self._finish(event, "done", now)
            case "StepCached":
                self._finish(event, "cached", now)
            case "StepNote":
                if step := self._steps.get(int(event["step"])):
                    step.notes.append((str(event["text"]), now))
            case "StepLog" | "StepStatus":
                self._log(event)

    @property
    def done(self) -> int:
        return sum(step.state in ("done", "cached") for step in self._steps.values())

    @property
    def total(self) -> int:
        return max(self._work + self._internal, len(self._steps))

    @property
    def failed_title(self) -> str:
        step = self._steps.get(int(self.failed["step"])) if self.failed is not None else None
        return step.title if step else ""

    def end(self, now: float) -> None:
        """Nothing more comes: what still runs was broken off."""
        for step in self._steps.values():
            if step.state == "working":
                step.state, step.finished = "canceled", now

    def lines(self, now: float, columns: int, *, final: bool, running_only: bool = False) -> Iterator[str]:
        """The block; ``final`` without what running steps say, ``running_only`` without the steps that are over."""
        for notice in self.notices:
            yield cut(notice, columns)
        for step in self._steps.values():
            if not running_only or step.state in ("working", "error"):
                yield from self._lines(step, now, columns, final=final)

    def _finish(self, event: Event, state: str, now: float) -> None:
        if step := self._steps.get(int(event["step"])):
            step.state, step.finished = state, now

    def _log(self, event: Event) -> None:
        step = self._steps.get(int(event["step"]))
        if step is None:
            return
        if event["event"] == "StepStatus":
            step.status = status_text(event["status"])
            return
        *lines, step.partial = (step.partial + log_text(event)).split("\n")
        step.output += [line.rstrip("\r").rpartition("\r")[2] for line in lines]
        del step.output[:-_KEPT_LINES]

    def _lines(self, step: _Step, now: float, columns: int, *, final: bool) -> Iterator[str]:
        lead = f" => {_WORDS.get(step.state, '')}"
        yield self._timed(lead, step.title, (step.finished or now) - step.started, columns, step.state)
        for text, at in step.notes:
            yield self._timed(" => => ", text, at - step.started, columns, step.state)
        if step.state != "working" or final:
            return
        shown = [*step.output, step.partial][-_LOG_LINES - 1 :]
        shown = [one for one in shown if one.strip()][-_LOG_LINES:]
        if not shown and step.status:
            shown = [step.status]
        for one in shown:
            yield self._paint(cut(f" => => # {one}", columns - 1), "2")

    def _timed(self, lead: str, title: str, seconds: float, columns: int, state: str) -> str:
        """A line with the time at the right edge."""
        time = f"{seconds:.1f}s"
        text = cut(f"{lead}{title}", columns - len(time) - 2)
        pad = " " * max(1, columns - len(text) - len(time) - 1)
        return f"{self._paint(text, _COLORS[state])}{pad}{time}"

    def _paint(self, text: str, color: str) -> str:
        return f"\x1b[{color}m{text}\x1b[0m" if self._color else text


def cut(text: str, width: int) -> str:
    """``text`` without control characters, at most ``width`` long."""
    clean = _CONTROL.sub("", text.expandtabs(4))
    return clean if len(clean) <= width else f"{clean[: max(width - 1, 0)]}…"
