"""Calls of our own engine on jobs: what runs to completion, on request or on a schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import UsageError
from .answers import OBJECT, OBJECTS, Shape
from .caller import ANSWER_TIMEOUT, Request
from .http import quote

if TYPE_CHECKING:
    import builtins
    from collections.abc import Mapping

    from .bodies import jobs as bodies
    from .caller import Caller

PATH = "/pycompose/jobs"

_FIELDS = {"Created": "string", "Containers": "strings"}
_RUN: Shape[bodies.Run] = Shape(OBJECT, _FIELDS)
_RUNS: Shape[list[bodies.Run]] = Shape(OBJECTS, _FIELDS)
_JOB: Shape[bodies.Job] = Shape(OBJECT, _FIELDS)
_JOBS: Shape[list[bodies.Job]] = Shape(OBJECTS, _FIELDS)


class Jobs:
    """Raises `UsageError` when the engine is another one: only ours keeps jobs."""

    def __init__(self, engine: Caller) -> None:
        if not engine.is_pycompose:
            raise UsageError(f"the engine at {engine.endpoint.address} keeps no jobs: only pycompose's own engine does")
        self._engine = engine

    def list(self, labels: Mapping[str, str]) -> list[bodies.Job]:
        """The jobs with all of these labels."""
        query = {"label": [f"{name}={value}" for name, value in labels.items()]}
        return self._engine.ask(Request("GET", PATH, query, versioned=False), _JOBS)

    def register(self, name: str, body: Mapping[str, object]) -> None:
        """Make the job, or change it to this; its runs stay."""
        self._engine.ask(Request("PUT", f"{PATH}/{quote(name)}", None, dict(body), versioned=False), _JOB)

    def runs(self, name: str) -> builtins.list[bodies.Run]:
        """Oldest first."""
        return self._engine.ask(Request("GET", f"{PATH}/{quote(name)}/runs", versioned=False), _RUNS)

    def trigger(self, name: str) -> bodies.Run:
        """Start a run; the answer comes when it has a container, or has failed without."""
        return self._run("POST", f"{PATH}/{quote(name)}/runs")

    def wait(self, name: str, iteration: int) -> bodies.Run:
        """The run once it has finished, however long that takes."""
        return self._run("GET", f"{PATH}/{quote(name)}/runs/{iteration}/wait", None)

    def act(self, name: str, action: str) -> bodies.Job:
        """``cancel``, ``pause`` or ``resume``."""
        return self._engine.ask(Request("POST", f"{PATH}/{quote(name)}/{action}", versioned=False), _JOB)

    def remove(self, name: str) -> None:
        """Forget the job and its runs; the one that is under way is ended."""
        self._engine.call(Request("DELETE", f"{PATH}/{quote(name)}", versioned=False))

    def _run(self, method: str, path: str, timeout: float | None = ANSWER_TIMEOUT) -> bodies.Run:
        return self._engine.ask(Request(method, path, timeout=timeout, versioned=False), _RUN)
