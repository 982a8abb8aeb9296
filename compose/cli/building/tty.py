"""A live view of a build: a line for each step with its time, under each running one the end of what it says.

The block is redrawn in place by a timer, under one lock. When it is higher than the terminal its oldest lines are left out; the
whole list is drawn once at the end.
"""

from __future__ import annotations

import re
import shutil
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .view import BuildView, log_text, status_text, title

if TYPE_CHECKING:
    from types import TracebackType
    from typing import TextIO

_TICK = 0.1
_LOG_LINES = 6
_KEPT_LINES = 50
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-Z\\-_]|[\x00-\x08\x0b-\x1f\x7f]")
_COLORS = {"working": "34", "done": "32", "cached": "36", "error": "31", "canceled": "33"}


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


class TtyView(BuildView):
    def __init__(self, out: TextIO, *, color: bool) -> None:
        super().__init__(out)
        self._color = color
        self._steps: dict[int, _Step] = {}
        self._work = self._internal = 0
        self._notices: list[str] = []
        self._failed: dict[str, Any] | None = None
        self._begin = time.monotonic()
        self._drawn = 0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._timer = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> TtyView:
        self.write("\x1b[?25l")
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._timer.join()
        for step in self._steps.values():
            if step.state == "working":
                step.state, step.finished = "canceled", time.monotonic()
        self._draw(final=True)
        self.write("\x1b[?25h")
        if self._failed is not None:
            failed = self._steps.get(int(self._failed["step"]))
            self.tail(self._failed, failed.title if failed else "")

    def handle(self, event: dict[str, Any]) -> None:
        now = time.monotonic()
        with self._lock:
            match event["event"]:
                case "Planned":
                    self._work = int(event["work"])
                case "StepStarted":
                    if event["kind"] != "config":
                        self._internal += event["kind"] == "internal"
                        self._steps[int(event["step"])] = _Step(title(event), now)
                case "Notice":
                    where = f"line {event['line']}: " if event.get("line") else ""
                    self._notices.append(f" ! {where}{event['text']}")
                case "StepFailed":
                    self._failed = event
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

    def _finish(self, event: dict[str, Any], state: str, now: float) -> None:
        if step := self._steps.get(int(event["step"])):
            step.state, step.finished = state, now

    def _log(self, event: dict[str, Any]) -> None:
        step = self._steps.get(int(event["step"]))
        if step is None:
            return
        if event["event"] == "StepStatus":
            step.status = status_text(event["status"])
            return
        *lines, step.partial = (step.partial + log_text(event)).split("\n")
        step.output += [line.rstrip("\r").rpartition("\r")[2] for line in lines]
        del step.output[:-_KEPT_LINES]

    def _tick(self) -> None:
        while not self._over.wait(_TICK):
            self._draw(final=False)

    def _draw(self, *, final: bool) -> None:
        with self._lock:
            columns, height = shutil.get_terminal_size()
            now = time.monotonic()
            done = sum(step.state in ("done", "cached") for step in self._steps.values())
            state = "" if not final else " FAILED" if self._failed is not None else " FINISHED"
            lines = [
                f"[+] Building {now - self._begin:.1f}s ({done}/{max(self._work + self._internal, len(self._steps))}){state}"
            ]
            lines += [_cut(notice, columns) for notice in self._notices]
            for step in self._steps.values():
                lines += self._step(step, now, columns, final=final)
            if not final and len(lines) > height - 1:
                lines = [lines[0], *lines[-(height - 2) :]]
            back = f"\x1b[{self._drawn}A\r" if self._drawn else ""
            self.write(f"{back}\x1b[J" + "".join(f"{line}\n" for line in lines))
            self._drawn = len(lines)

    def _step(self, step: _Step, now: float, columns: int, *, final: bool) -> list[str]:
        word = {"cached": "CACHED ", "error": "ERROR ", "canceled": "CANCELED "}.get(step.state, "")
        lines = [self._timed(f" => {word}", step.title, (step.finished or now) - step.started, columns, step.state)]
        lines += [self._timed(" => => ", text, at - step.started, columns, step.state) for text, at in step.notes]
        if step.state != "working" or final:
            return lines
        shown = [*step.output, step.partial][-_LOG_LINES - 1 :]
        shown = [one for one in shown if one.strip()][-_LOG_LINES:]
        if not shown and step.status:
            shown = [step.status]
        return lines + [self._paint(_cut(f" => => # {one}", columns - 1), "2") for one in shown]

    def _timed(self, lead: str, title: str, seconds: float, columns: int, state: str) -> str:
        """A line with the time at the right edge."""
        time = f"{seconds:.1f}s"
        text = _cut(f"{lead}{title}", columns - len(time) - 2)
        pad = " " * max(1, columns - len(text) - len(time) - 1)
        return f"{self._paint(text, _COLORS[state])}{pad}{time}"

    def _paint(self, text: str, color: str) -> str:
        return f"\x1b[{color}m{text}\x1b[0m" if self._color else text


def _cut(text: str, width: int) -> str:
    clean = _CONTROL.sub("", text.expandtabs(4))
    return clean if len(clean) <= width else f"{clean[: max(width - 1, 0)]}…"
