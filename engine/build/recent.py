"""What builds do now, and what the last ones did: their steps as they go, for whoever looks at the engine from outside.

Kept in memory and of bounded size; a restart of the engine forgets it, as it ends the builds themselves. Events arrive from the
builds' threads, questions from the loop.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypedDict

from ..errors import EngineError
from .progress import (
    Finished,
    Notice,
    Planned,
    StepCached,
    StepDone,
    StepFailed,
    StepLog,
    StepNote,
    StepStarted,
    StepStatus,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .options import BuildOptions
    from .progress import Event, Progress

    Publish = Callable[[str, str, str, Mapping[str, str]], None]

KEPT = 20
"""So many builds are remembered."""

MOST_STEPS = 300
"""Of one build; what a longer one does after them is not told."""

OUTPUT = 4096
"""Characters of a step that are kept: the first of its text, the last of its output."""

MOST_OUTPUT = 256 * 1024
"""Characters that are kept of all steps of one build: what has ended first loses its output first. All that is kept goes into one answer,
which the loop has to encode."""

State = Literal["running", "done", "cached", "failed"]


class StepShown(TypedDict):
    """``Created`` is in ns since the epoch, ``Seconds`` what it took, or has taken so far; ``Output`` the end of what it wrote."""

    Number: int
    Stage: str
    Text: str
    State: State
    Created: int
    Seconds: float
    Output: str


class BuildShown(TypedDict):
    """``Created`` and ``Finished`` in ns since the epoch, 0 for one that runs. ``Total`` is how many instructions there are,
    0 before that is known."""

    Id: str
    Name: str
    Labels: dict[str, str]
    State: State
    Created: int
    Finished: int
    Total: int
    Image: str
    Error: str
    Steps: list[StepShown]


class RecentShown(TypedDict):
    """``Revision`` names this state: asked for what came after it, the engine tells only builds that have changed since."""

    Revision: int
    Ids: list[str]
    Builds: list[BuildShown]


@dataclass(slots=True)
class _Step:
    number: int
    stage: str
    text: str
    created: int
    began: float
    state: State = "running"
    seconds: float = 0.0
    output: str = ""

    def shown(self) -> StepShown:
        seconds = time.monotonic() - self.began if self.state == "running" else self.seconds
        return {
            "Number": self.number,
            "Stage": self.stage,
            "Text": self.text,
            "State": self.state,
            "Created": self.created,
            "Seconds": round(seconds, 3),
            "Output": self.output,
        }


@dataclass(slots=True)
class _Build:
    id: str
    name: str
    labels: dict[str, str]
    created: int
    revision: int = 0
    state: State = "running"
    finished: int = 0
    total: int = 0
    image: str = ""
    error: str = ""
    steps: dict[int, _Step] = field(default_factory=dict)

    def shown(self) -> BuildShown:
        return {
            "Id": self.id,
            "Name": self.name,
            "Labels": self.labels,
            "State": self.state,
            "Created": self.created,
            "Finished": self.finished,
            "Total": self.total,
            "Image": self.image,
            "Error": self.error,
            "Steps": [one.shown() for one in self.steps.values()],
        }

    def fold(self, event: Event) -> None:
        """What one event changes."""
        if isinstance(event, Planned):
            self.total = event.total
        elif isinstance(event, Finished):
            self.image = event.image
        elif isinstance(event, StepStarted):
            if len(self.steps) < MOST_STEPS:
                text = event.title or event.text
                self.steps[event.step] = _Step(event.step, event.stage, text[:OUTPUT], time.time_ns(), time.monotonic())
        elif not isinstance(event, Notice) and (step := self.steps.get(event.step)) is not None:
            _fold_step(step, event)
        if isinstance(event, StepDone):
            self._forget_output()
        if isinstance(event, StepFailed):
            self.error = self.error or "\n".join(filter(None, (event.message, event.excerpt.rstrip())))

    def _forget_output(self) -> None:
        kept = sum(len(one.output) for one in self.steps.values())
        for one in self.steps.values():
            if kept <= MOST_OUTPUT:
                return
            if one.state in ("done", "cached"):
                kept -= len(one.output)
                one.output = ""


def _fold_step(step: _Step, event: StepLog | StepStatus | StepNote | StepCached | StepDone | StepFailed) -> None:
    if isinstance(event, StepLog):
        step.output = (step.output + event.data.decode("utf-8", "replace"))[-OUTPUT:]
    elif isinstance(event, StepNote):
        step.output = f"{step.output}{event.text}\n"[-OUTPUT:]
    elif isinstance(event, StepStatus):
        # One line for each thing that moves: the newest word on it takes the place of the one before.
        about = str(event.status.get("id") or "")
        others = [line for line in step.output.splitlines() if not about or not line.startswith(f"{about}: ")]
        words = " ".join(filter(None, (str(event.status.get("status") or ""), str(event.status.get("progress") or ""))))
        step.output = "".join(f"{line}\n" for line in (*others, f"{about}: {words}" if about else words))[-OUTPUT:]
    else:
        step.seconds = time.monotonic() - step.began
        step.state = "cached" if isinstance(event, StepCached) else "done" if isinstance(event, StepDone) else "failed"


class Recent:
    """The builds of one engine. ``publish`` is told when one begins and ends."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._lock = threading.Lock()
        self._builds: deque[_Build] = deque(maxlen=KEPT)
        self._revision = 0

    @contextmanager
    def follow(self, options: BuildOptions, progress: Progress) -> Iterator[Progress]:
        """Around one build: what is yielded takes its events, and passes them on to ``progress``."""
        name = options.tags[0] if options.tags else ""
        build = _Build(secrets.token_hex(8), name, dict(options.labels), time.time_ns())
        with self._changing(build):
            # One that runs is not forgotten for one that has begun after it.
            if len(self._builds) == KEPT and (ended := next((b for b in self._builds if b.finished), None)) is not None:
                self._builds.remove(ended)
            self._builds.append(build)
        about = {**build.labels, "name": name or build.id}
        self._publish("build", "start", build.id, about)

        def tell(event: Event) -> None:
            with self._changing(build):
                build.fold(event)
            progress(event)

        try:
            yield tell
        except BaseException as error:
            self._end(build, "failed", str(error) if isinstance(error, EngineError) else "it was broken off")
            raise
        else:
            self._end(build, "done", "")
        finally:
            self._publish("build", "fail" if build.state == "failed" else "finish", build.id, about)

    def _end(self, build: _Build, state: State, error: str) -> None:
        with self._changing(build):
            build.state, build.error, build.finished = state, build.error or error, time.time_ns()
            for step in build.steps.values():
                if step.state == "running":
                    step.state, step.seconds = state, time.monotonic() - step.began

    @contextmanager
    def _changing(self, build: _Build) -> Iterator[None]:
        with self._lock:
            yield
            self._revision += 1
            build.revision = self._revision

    def shown(self, after: int = 0) -> RecentShown:
        """The builds that have changed after that revision, and the ids of all, oldest first."""
        with self._lock:
            # A revision of an engine before this one says nothing here.
            after = after if after <= self._revision else 0
            changed = [one.shown() for one in self._builds if one.revision > after]
            return {"Revision": self._revision, "Ids": [one.id for one in self._builds], "Builds": changed}
