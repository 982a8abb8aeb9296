"""What a build tells while it runs: events as values, and their two renderings as JSON.

``classic`` is the stream of the Docker Engine API's ``POST /build``; ``lines`` is pycompose's own, one object an event,
which loses nothing. Events of parallel stages interleave; each names its step.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .steps import Stream


@dataclass(frozen=True, slots=True)
class Planned:
    """The build is understood: ``total`` steps will be looked at, for the stage ``target`` ("" is the last)."""

    total: int
    target: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """A warning. ``line`` of the Dockerfile, 0 when none is meant."""

    text: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class StepStarted:
    """``step`` counts from 1 over the whole build; ``index`` of ``total`` is the place within its stage."""

    step: int
    stage: str
    text: str
    index: int
    total: int
    line: int = 0


@dataclass(frozen=True, slots=True)
class StepLog:
    step: int
    stream: Stream
    data: bytes


@dataclass(frozen=True, slots=True)
class StepStatus:
    """Progress of a transfer, in the form of the Engine API's pull progress."""

    step: int
    status: Mapping[str, Any] = field(hash=False)


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


Event = Planned | Notice | StepStarted | StepLog | StepStatus | StepCached | StepDone | StepFailed | Finished
Progress = Callable[[Event], None]


def lines(event: Event) -> dict[str, Any]:
    """One JSON object: ``{"event": "StepLog", "step": 3, "stream": "stdout", "text": …}``.

    ``data`` becomes ``text`` when it is UTF-8, else ``base64``.
    """
    body: dict[str, Any] = {"event": type(event).__name__}
    if isinstance(event, StepStatus):
        return {**body, "step": event.step, "status": dict(event.status)}
    body.update(asdict(event))
    data = body.pop("data", None)
    if data is not None:
        try:
            body["text"] = data.decode()
        except UnicodeDecodeError:
            body["base64"] = base64.b64encode(data).decode("ascii")
    return body


class Classic:
    """Folds events into the objects of the Docker Engine API's build stream."""

    def __init__(self) -> None:
        self._total = 0
        self._started: dict[int, StepStarted] = {}

    def render(self, event: Event) -> Iterator[dict[str, Any]]:
        if isinstance(event, Planned):
            self._total = event.total
        elif isinstance(event, Notice):
            where = f" (line {event.line})" if event.line else ""
            yield {"stream": f"[Warning] {event.text}{where}\n"}
        elif isinstance(event, StepStarted):
            self._started[event.step] = event
            yield {"stream": f"Step {event.step}/{self._total} : {event.text}\n"}
        elif isinstance(event, StepLog):
            yield {"stream": event.data.decode("utf-8", "replace")}
        elif isinstance(event, StepStatus):
            yield dict(event.status)
        elif isinstance(event, StepCached):
            yield {"stream": " ---> Using cache\n"}
            if event.layer:
                yield {"stream": f" ---> {_short(event.layer)}\n"}
        elif isinstance(event, StepDone):
            if event.layer:
                yield {"stream": f" ---> {_short(event.layer)}\n"}
        elif isinstance(event, StepFailed):
            detail: dict[str, Any] = {"message": f"{event.message}\n{event.excerpt}".rstrip()}
            if event.code:
                detail["code"] = event.code
            yield {"errorDetail": detail, "error": detail["message"]}
        else:
            yield {"aux": {"ID": event.image}}
            yield {"stream": f"Successfully built {_short(event.image)}\n"}
            for tag in event.tags:
                yield {"stream": f"Successfully tagged {tag}\n"}


def _short(digest: str) -> str:
    return digest.partition(":")[2][:12]
