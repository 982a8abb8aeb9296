"""What every view of a build has: steps by number, and the last output of the one that failed. Shows nothing itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import TextIO

    from ....client.bodies.builds import Event
    from ....client.bodies.images import Transfer

LAST_LINES = 40


class Numbers:
    """Gives the steps that are shown their numbers, in order of appearance: what only changes the configuration is not."""

    def __init__(self) -> None:
        self._shown: dict[int, int] = {}

    def start(self, event: Event) -> bool:
        """Take a StepStarted; whether it is shown."""
        if event.get("kind") == "config":
            return False
        self._shown[int(event["step"])] = len(self._shown) + 1
        return True

    def of(self, event: Event) -> int:
        """The number of the step that an event is about, 0 for one that is not shown."""
        return self._shown.get(int(event.get("step") or 0), 0)


class BuildView:
    """Takes the engine's build events (``{"event": "StepStarted", …}``) by ``handle``; use it as a context.

    By itself it is the quiet view: only a failing step's last output is shown.
    """

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self._headings: dict[int, str] = {}
        self._warnings: list[str] = []

    def __enter__(self) -> BuildView:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None

    def handle(self, event: Event) -> None:
        if event["event"] == "StepStarted":
            self._headings[event["step"]] = title(event)
        elif event["event"] == "StepFailed":
            self.tail(event, self._headings.get(event["step"], ""))

    def tail(self, event: Event, heading: str) -> None:
        """The last output of the step that failed, below its name."""
        lines = str(event.get("output") or "").splitlines()[-LAST_LINES:]
        if lines:
            above = [f" > {heading}:"] if heading else []
            self.write("".join(f"{line}\n" for line in ("------", *above, *lines, "------")))

    def warn(self, event: Event) -> None:
        """Take a Notice, to be shown by `warnings`."""
        self._warnings.append(notice_text(event))

    def warnings(self) -> None:
        """What the build warned of, together, when it is over: in the middle of its output nobody would see it."""
        if self._warnings:
            count = "1 warning" if len(self._warnings) == 1 else f"{len(self._warnings)} warnings"
            self.write(f"\n {count} found:\n" + "".join(f" - {one}\n" for one in self._warnings))

    def write(self, text: str) -> None:
        self.out.write(text)
        self.out.flush()


def title(event: Event) -> str:
    """``[stage 2/5] RUN make`` of a StepStarted, on one line."""
    text = " ".join(str(event["text"]).split())
    if not event.get("index"):
        return text
    stage = f"{event['stage']} " if event.get("stage") else ""
    return f"[{stage}{event['index']:>{len(str(event['total']))}}/{event['total']}] {text}"


def notice_text(event: Event) -> str:
    """``JSONArgsRecommended: JSON arguments … (line 7)`` of a Notice."""
    rule = f"{event['rule']}: " if event.get("rule") else ""
    where = f" (line {event['line']})" if event.get("line") else ""
    return f"{rule}{event['text']}{where}"


def log_text(event: Event) -> str:
    """A StepLog's text; bytes that are not UTF-8 are replaced."""
    if "text" in event:
        return str(event["text"])
    import base64

    return base64.b64decode(event.get("base64", "")).decode("utf-8", "replace")


def status_text(status: Transfer) -> str:
    """One line about a transfer: ``a1b2c3: Downloading 3.1MB/20.0MB``."""
    ident, words = str(status.get("id") or ""), str(status.get("status") or status.get("stream") or "").strip()
    detail = status.get("progressDetail") or {}
    if detail.get("total"):
        words += f" {detail.get('current', 0) / 1e6:.1f}MB/{detail['total'] / 1e6:.1f}MB"
    return f"{ident}: {words}" if ident and words else words
