"""What a build tells while it runs: events as values, and their two renderings as JSON.

``classic`` is the stream of the Docker Engine API's ``POST /build``; ``lines`` is pycompose's own, one object an event,
which loses nothing. Events of parallel stages interleave; each names its step. ``Steps`` numbers the steps of one build and
lets one event through at a time.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..images.bodies import ErrorDetail, ProgressMessage
    from .steps import Stream


# What a step is: the builder's own work (no instruction), the image or context a stage begins with, an instruction that
# changes files, or one that changes only the configuration, which takes no time and which BuildKit does not tell.
Kind = Literal["internal", "base", "layer", "config"]


@dataclass(frozen=True, slots=True)
class Planned:
    """The build is understood: ``total`` instructions will be looked at, of which ``work`` are bases and layers, for the
    stage ``target`` ("" is the last)."""

    total: int
    target: str = ""
    work: int = 0


@dataclass(frozen=True, slots=True)
class Notice:
    """A warning. ``line`` of the Dockerfile, 0 when none is meant; ``rule`` is the build check that it is about, or ""."""

    text: str
    line: int = 0
    rule: str = ""


@dataclass(frozen=True, slots=True)
class StepStarted:
    """``step`` counts from 1 over the whole build. ``index`` of ``total`` is the place among its stage's bases and layers,
    0 for the other kinds; ``stage`` is "" when the Dockerfile has only one. ``line`` of the Dockerfile, 0 for none.
    ``title`` is ``text`` as BuildKit shows it, with variables expanded."""

    step: int
    stage: str
    text: str
    index: int
    total: int
    line: int = 0
    kind: Kind = "layer"
    title: str = ""


@dataclass(frozen=True, slots=True)
class StepLog:
    step: int
    stream: Stream
    data: bytes


@dataclass(frozen=True, slots=True)
class StepStatus:
    """Progress of a transfer, in the form of the Engine API's pull progress."""

    step: int
    status: ProgressMessage = field(hash=False)


@dataclass(frozen=True, slots=True)
class StepNote:
    """One thing that a step of the builder's own did: ``transferring context: 3.1kB``. Not part of the classic stream."""

    step: int
    text: str


@dataclass(frozen=True, slots=True)
class StepCached:
    """The step's result was there already; it ends here, without StepDone. ``layer`` is a chain ID or ""."""

    step: int
    layer: str = ""


@dataclass(frozen=True, slots=True)
class StepDone:
    step: int
    seconds: float
    layer: str = ""


@dataclass(frozen=True, slots=True)
class StepFailed:
    """``excerpt`` is the Dockerfile around the failing line, ``output`` the last the command wrote."""

    step: int
    message: str
    excerpt: str
    output: str = ""
    code: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    image: str
    tags: tuple[str, ...] = ()


Event = Planned | Notice | StepStarted | StepLog | StepStatus | StepNote | StepCached | StepDone | StepFailed | Finished
Progress = Callable[[Event], None]


class Steps:
    """The steps of one build, numbered; ``emit`` may be called from any thread."""

    def __init__(self, progress: Progress, *, after: int = 0) -> None:
        """``after`` keeps what follows a build from taking its steps' numbers."""
        self._progress = progress
        self._lock = threading.Lock()
        self._last = after

    def emit(self, event: Event) -> None:
        with self._lock:
            self._progress(event)

    def next(self) -> int:
        with self._lock:
            self._last += 1
            return self._last

    @contextmanager
    def internal(self, text: str) -> Iterator[int]:
        """A step of the builder's own around the block, which gets its number. What fails in it, the caller tells."""
        step = self.next()
        self.emit(StepStarted(step, "", text, 0, 0, kind="internal"))
        started = time.monotonic()
        yield step
        self.emit(StepDone(step, time.monotonic() - started))


def lines(event: Event) -> dict[str, object]:
    """One JSON object: ``{"event": "StepLog", "step": 3, "stream": "stdout", "text": …}``.

    ``data`` becomes ``text`` when it is UTF-8, else ``base64``.
    """
    body: dict[str, object] = {"event": type(event).__name__}
    if isinstance(event, StepStatus):
        return {**body, "step": event.step, "status": event.status}
    body.update(asdict(event))
    data = body.pop("data", None)
    if isinstance(data, bytes):
        try:
            body["text"] = data.decode()
        except UnicodeDecodeError:
            body["base64"] = base64.b64encode(data).decode("ascii")
    return body


class Classic:
    """Folds events into the objects of the Docker Engine API's build stream."""

    def __init__(self) -> None:
        self._total = self._count = 0

    def render(self, event: Event) -> Iterator[ProgressMessage]:
        if isinstance(event, Planned):
            self._total = event.total
        elif isinstance(event, Notice):
            if not event.rule:  # the classic builder has no checks
                where = f" (line {event.line})" if event.line else ""
                yield {"stream": f"[Warning] {event.text}{where}\n"}
        elif isinstance(event, StepStarted):
            if event.kind != "internal":
                self._count += 1
                yield {"stream": f"Step {self._count}/{self._total} : {event.text}\n"}
        elif isinstance(event, StepLog):
            yield {"stream": event.data.decode("utf-8", "replace")}
        elif isinstance(event, StepStatus):
            yield event.status
        elif isinstance(event, StepCached):
            yield {"stream": " ---> Using cache\n"}
            if event.layer:
                yield {"stream": f" ---> {_short(event.layer)}\n"}
        elif isinstance(event, StepDone):
            if event.layer:
                yield {"stream": f" ---> {_short(event.layer)}\n"}
        elif isinstance(event, StepFailed):
            yield _failure(event)
        elif isinstance(event, Finished):
            yield {"aux": {"ID": event.image}}
            yield {"stream": f"Successfully built {_short(event.image)}\n"}
            for tag in event.tags:
                yield {"stream": f"Successfully tagged {tag}\n"}


def _failure(event: StepFailed) -> ProgressMessage:
    text = f"{event.message}\n{event.excerpt}".rstrip()
    detail: ErrorDetail = {"message": text}
    if event.code:
        detail["code"] = event.code
    return {"errorDetail": detail, "error": text}


def _short(digest: str) -> str:
    return digest.partition(":")[2][:12]
