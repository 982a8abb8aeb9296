"""A live view: one line per resource with state, word and time; parts of a pull under theirs; build output below.

The block of lines is redrawn in place. Only this thread and the timer write, under one lock; what does not fit the
terminal is left out at the top, where things are done already.
"""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ....run.events import DONE, ERROR, WARNING, WORKING, BuildStep, Output, Progress
from .. import legible

if TYPE_CHECKING:
    from types import TracebackType
    from typing import TextIO

    from ....run.events import Event
    from ..building.steps import StepBlock

_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_TICK = 0.1
_COLORS = {WORKING: "34", DONE: "32", WARNING: "33", ERROR: "31"}
_MARKS = {DONE: "✔", WARNING: "!", ERROR: "✘"}
_HIDE_CURSOR, _SHOW_CURSOR = "\033[?25l", "\033[?25h"
_BUILD_LINES = 6
_FAILED_LINES = 40


@dataclass(slots=True)
class _Row:
    event: Progress
    started: float
    finished: float | None = None
    parts: dict[str, Progress] = field(default_factory=dict)
    output: list[str] = field(default_factory=list)
    partial: str = ""
    steps: StepBlock | None = None


class TtyRenderer:
    def __init__(self, out: TextIO, title: str, *, color: bool) -> None:
        self._out = out
        self._title = title
        self._color = color
        self._rows: dict[str, _Row] = {}
        self._drawn = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._timer = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> TtyRenderer:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._timer.join()
        with self._lock:
            self._draw(final=True)
            if self._drawn:
                self._out.write(_SHOW_CURSOR)
            self._out.flush()

    def handle(self, event: Event) -> None:
        now = time.monotonic()
        with self._lock:
            if isinstance(event, Output):
                self._take_output(event, now)
            elif isinstance(event, BuildStep):
                self._take_step(event, now)
            elif event.parent:
                row = self._rows.setdefault(event.parent, _Row(Progress(event.parent, ""), now))
                row.parts[event.id] = event
            else:
                row = self._rows.setdefault(event.id, _Row(event, now))
                row.event = event
                row.finished = now if event.state != WORKING else None
                if event.state == DONE:
                    row.output.clear()

    def _take_step(self, event: BuildStep, now: float) -> None:
        row = self._row_of(event.id, now)
        if row.steps is None:
            from ..building.steps import StepBlock

            row.steps = StepBlock(color=self._color)
        row.steps.handle(event.body, now)

    def _row_of(self, ident: str, now: float) -> _Row:
        """The row that output of ``ident`` belongs to: its service's, when there is one."""
        key = next((one for one in (f"Service {ident}", ident) if one in self._rows), ident)
        return self._rows.setdefault(key, _Row(Progress(ident, ""), now))

    def _take_output(self, event: Output, now: float) -> None:
        row = self._row_of(event.id, now)
        *lines, row.partial = (row.partial + event.text).split("\n")
        row.output += [one.split("\r")[-1] for one in lines if one.strip()]
        del row.output[:-200]

    def _tick(self) -> None:
        while not self._ended.wait(_TICK):
            with self._lock:
                self._draw(final=False)

    def _draw(self, *, final: bool) -> None:
        if not self._rows:
            return
        columns, height = shutil.get_terminal_size()
        now = time.monotonic()
        done = sum(1 for row in self._rows.values() if row.finished is not None)
        lines = [f"[+] {self._title} {done}/{len(self._rows)}"]
        width = max(len(f"{row.event.id} {row.event.status}") for row in self._rows.values()) + 2
        for row in self._rows.values():
            lines += self._row(row, now, width, columns, final=final)
        if not final and len(lines) > height - 1:
            lines = [lines[0], *lines[-(height - 2) :]]
        if self._drawn:
            self._out.write(f"\033[{self._drawn}A\r\033[J")
        else:
            self._out.write(_HIDE_CURSOR)
        self._out.write("".join(f"{line}\n" for line in lines))
        self._out.flush()
        self._drawn = len(lines)

    def _row(self, row: _Row, now: float, width: int, columns: int, *, final: bool) -> list[str]:
        event = row.event
        mark = _MARKS.get(event.state) or _SPINNER[int(now / _TICK) % len(_SPINNER)]
        seconds = f"{(row.finished or now) - row.started:.1f}s"
        event = replace(event, id=legible.cell(event.id), status=legible.cell(event.status))
        words = f"{event.id} {event.status}"
        room = max(columns - len(words) - len(seconds) - 6, 0)
        detail = legible.cell(f" {event.detail}")[:room] if event.detail else self._summary(row)[:room]
        pad = max(width - len(words), 1)
        end = max(columns - len(words) - pad - len(detail) - len(seconds) - 5, 1)
        color = _COLORS[event.state]
        text = (
            f" {self._paint(mark, color)} {event.id} {self._paint(event.status, color)}"
            f"{' ' * pad}{detail}{' ' * end}{self._paint(seconds, '34')}"
        )
        if row.steps is not None:
            return [text, *self._steps(row, row.steps, now, columns, final=final)]
        from ..building.steps import cut

        shown = row.output[-_BUILD_LINES:] if event.state == WORKING and not final else []
        if event.state == ERROR:
            shown = row.output[-40:]
        return [text, *(f"   {self._paint(cut(line, columns - 4), '2')}" for line in shown)]

    def _steps(self, row: _Row, steps: StepBlock, now: float, columns: int, *, final: bool) -> list[str]:
        """While it is built what runs, at the end every step, and what the one that failed said last."""
        from ..building.steps import cut

        over = row.finished is not None
        if over and row.event.state != ERROR:
            return [f"  {line}" for line in steps.lines(now, columns - 2, final=True)] if final else []
        lines = [f"  {line}" for line in steps.lines(now, columns - 2, final=over, running_only=not final)]
        if over and steps.failed is not None:
            said = str(steps.failed.get("output") or "").splitlines()[-_FAILED_LINES:]
            lines += [f"   {self._paint(cut(one, columns - 4), '2')}" for one in said]
        return lines

    @staticmethod
    def _summary(row: _Row) -> str:
        """The layers of a pull or the steps of a build in short: how many are done, how many bytes have come."""
        if row.steps is not None:
            return f" {row.steps.done}/{row.steps.total}"
        if not row.parts or row.finished is not None:
            return ""
        done = sum(1 for part in row.parts.values() if part.state == DONE)
        current = sum(part.current for part in row.parts.values())
        total = sum(part.total for part in row.parts.values())
        amount = f" {current / 1e6:.1f}MB / {total / 1e6:.1f}MB" if total else ""
        return f" [{done}/{len(row.parts)}]{amount}"

    def _paint(self, text: str, color: str) -> str:
        return f"\033[{color}m{text}\033[0m" if self._color else text
