"""Calls of our own engine on jobs: what runs to completion, on request or on a schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .answers import OBJECT, OBJECTS
from .http import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .engine import Engine

Objects = list[dict[str, Any]]
PATH = "/pycompose/jobs"


class Jobs:
    """Raises `UsageError` when the engine is another one: only ours keeps jobs."""

    def __init__(self, engine: Engine) -> None:
        if not engine.is_pycompose:
            raise UsageError(f"the engine at {engine.endpoint.address} keeps no jobs: only pycompose's own engine does")
        self._engine = engine

    def list(self, labels: Mapping[str, str]) -> Objects:
        query = {"label": [f"{name}={value}" for name, value in labels.items()]}
        result: Objects = self._engine.call("GET", PATH, query, versioned=False, expect=OBJECTS)
        return result

    def register(self, name: str, body: Mapping[str, Any]) -> None:
        self._engine.call("PUT", f"{PATH}/{quote(name)}", None, dict(body), versioned=False, expect=OBJECT)

    def runs(self, name: str) -> Objects:
        """Oldest first."""
        result: Objects = self._engine.call("GET", f"{PATH}/{quote(name)}/runs", versioned=False, expect=OBJECTS)
        return result

    def trigger(self, name: str) -> dict[str, Any]:
        """Start a run; the answer comes when it has a container, or has failed without."""
        return self._object("POST", f"{PATH}/{quote(name)}/runs")

    def wait(self, name: str, iteration: int) -> dict[str, Any]:
        """The run once it has finished, however long that takes."""
        path = f"{PATH}/{quote(name)}/runs/{iteration}/wait"
        result: dict[str, Any] = self._engine.call("GET", path, versioned=False, expect=OBJECT, timeout=None)
        return result

    def act(self, name: str, action: str) -> dict[str, Any]:
        """``cancel``, ``pause`` or ``resume``."""
        return self._object("POST", f"{PATH}/{quote(name)}/{action}")

    def remove(self, name: str) -> None:
        self._engine.call("DELETE", f"{PATH}/{quote(name)}", versioned=False)

    def _object(self, method: str, path: str) -> dict[str, Any]:
        result: dict[str, Any] = self._engine.call(method, path, versioned=False, expect=OBJECT)
        return result
