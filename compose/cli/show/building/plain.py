"""A build as plain lines, each with the number of its step: what parallel stages say stays apart. And as raw events."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from .view import BuildView, Numbers, log_text, status_text, title

if TYPE_CHECKING:
    from types import TracebackType
    from typing import TextIO

    from ....client.bodies.builds import Event
    from ....client.bodies.images import Transfer


class PlainView(BuildView):
    def __init__(self, out: TextIO) -> None:
        super().__init__(out)
        self._numbers = Numbers()
        self._titles: dict[int, str] = {}
        self._started: dict[int, float] = {}
        self._partial: dict[int, str] = {}
        self._said: dict[tuple[int, str], str] = {}
        self._running: set[int] = set()
        self._last = 0
        self._failed: Event | None = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.warnings()
        if self._failed is not None:
            self.tail(self._failed, self._titles.get(self._numbers.of(self._failed), ""))

    def handle(self, event: Event) -> None:
        if event["event"] == "StepStarted":
            if self._numbers.start(event):
                step = self._numbers.of(event)
                self._titles[step], self._started[step] = title(event), time.monotonic()
                self._running.add(step)
                self._switch(step)
            return
        if event["event"] == "Notice":
            self.warn(event)
            return
        if event["event"] == "StepFailed":
            self._failed = event
        step = self._numbers.of(event)
        if step:
            self._step(step, event)

    def _step(self, step: int, event: Event) -> None:
        match event["event"]:
            case "StepLog":
                *lines, self._partial[step] = (self._partial.get(step, "") + log_text(event)).split("\n")
                self._lines(step, lines)
            case "StepStatus":
                self._status(step, event["status"])
            case "StepNote":
                self._line(step, f"{event['text']} done")
            case "StepCached":
                self._end(step, "CACHED")
            case "StepDone":
                self._end(step, f"DONE {event['seconds']:.1f}s")
            case "StepFailed":
                self._end(step, f"ERROR: {str(event['message']).splitlines()[0]}")

    def _end(self, step: int, text: str) -> None:
        if rest := self._partial.pop(step, ""):
            self._lines(step, [rest])
        self._line(step, text)
        self._running.discard(step)

    def _status(self, step: int, status: Transfer) -> None:
        key = (step, str(status.get("id") or ""))
        words = str(status.get("status") or "")
        if words and self._said.get(key) != words:
            self._said[key] = words
            self._line(step, status_text({**status, "progressDetail": {}}))

    def _lines(self, step: int, lines: list[str]) -> None:
        since = time.monotonic() - self._started.get(step, time.monotonic())
        for line in lines:
            shown = line.rstrip("\r").rpartition("\r")[2]
            self._line(step, f"{since:.3f} {shown}")

    def _line(self, step: int, text: str) -> None:
        self._switch(step)
        self.write(f"#{step} {text}\n")

    def _switch(self, step: int) -> None:
        if step == self._last:
            return
        if self._last in self._running:
            self.write(f"#{self._last} ...\n")
        self.write(f"{chr(10) if self._last else ''}#{step} {self._titles[step]}\n")
        self._last = step


class JsonView(BuildView):
    """The events as the engine sent them, one JSON object a line."""

    def handle(self, event: Event) -> None:
        self.write(json.dumps(event) + "\n")
