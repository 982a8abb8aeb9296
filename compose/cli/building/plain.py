"""A build as plain lines, each with the number of its step: what parallel stages say stays apart. And as raw events."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from .view import BuildView, log_text, status_text, title

if TYPE_CHECKING:
    from typing import TextIO


class PlainView(BuildView):
    def __init__(self, out: TextIO) -> None:
        super().__init__(out)
        self._titles: dict[int, str] = {}
        self._started: dict[int, float] = {}
        self._partial: dict[int, str] = {}
        self._said: dict[tuple[int, str], str] = {}
        self._last = 0

    def handle(self, event: dict[str, Any]) -> None:
        step = int(event.get("step") or 0)
        match event["event"]:
            case "StepStarted":
                self._titles[step], self._started[step] = title(event), time.monotonic()
                self._switch(step)
            case "StepLog":
                *lines, self._partial[step] = (self._partial.get(step, "") + log_text(event)).split("\n")
                self._lines(step, lines)
            case "StepStatus":
                self._status(step, event["status"])
            case "StepCached":
                self._line(step, "CACHED")
            case "StepDone":
                self._flush(step)
                self._line(step, f"DONE {event['seconds']:.1f}s")
            case "StepFailed":
                self._flush(step)
                code = event.get("code")
                self._line(step, f"ERROR exit code {code}" if code else "ERROR")
            case "Notice":
                where = f"line {event['line']}: " if event.get("line") else ""
                self.write(f"warning: {where}{event['text']}\n")
            case "Finished":
                self.write(
                    f"image {event['image']}\n" + "".join(f"naming to {tag}\n" for tag in event.get("tags") or ())
                )

    def _status(self, step: int, status: dict[str, Any]) -> None:
        key = (step, str(status.get("id") or ""))
        words = str(status.get("status") or "")
        if words and self._said.get(key) != words:
            self._said[key] = words
            self._line(step, status_text({**status, "progressDetail": {}}))

    def _flush(self, step: int) -> None:
        if rest := self._partial.pop(step, ""):
            self._lines(step, [rest])

    def _lines(self, step: int, lines: list[str]) -> None:
        since = time.monotonic() - self._started.get(step, time.monotonic())
        for line in lines:
            shown = line.rstrip("\r").rpartition("\r")[2]
            self._line(step, f"{since:.2f} {shown}")

    def _line(self, step: int, text: str) -> None:
        self._switch(step)
        self.write(f"#{step} {text}\n")

    def _switch(self, step: int) -> None:
        if step != self._last and step in self._titles:
            self.write(f"{chr(10) if self._last else ''}#{step} {self._titles[step]}\n")
            self._last = step


class JsonView(BuildView):
    """The events as the engine sent them, one JSON object a line."""

    def handle(self, event: dict[str, Any]) -> None:
        self.write(json.dumps(event) + "\n")
