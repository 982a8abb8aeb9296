"""Calls of the Engine API on commands executed in running containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .answers import OBJECT, Shape
from .caller import UPGRADE, Request
from .http import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .bodies.containers import Identified
    from .bodies.execs import Exec
    from .caller import Caller
    from .http import Response

_MADE: Shape[Identified] = Shape(OBJECT)
_EXEC: Shape[Exec] = Shape(OBJECT)


class Execs:
    """Commands in running containers, by their ids. Raises `NotFound` (404), `Conflict` (409) where the container does not
    run, `EngineError`."""

    def __init__(self, engine: Caller) -> None:
        self._engine = engine

    def create(self, container: str, body: Mapping[str, object]) -> str:
        """POST /containers/{id}/exec with the API's body; nothing runs yet. The id."""
        return self._engine.ask(Request("POST", f"/containers/{quote(container)}/exec", None, dict(body)), _MADE)["Id"]

    def start(self, ident: str, *, tty: bool) -> Response:
        """A response to `hijack`: both directions of the command's stdio."""
        body = {"Detach": False, "Tty": tty}
        return self._engine.stream(Request("POST", f"/exec/{quote(ident)}/start", None, body, UPGRADE))

    def start_detached(self, ident: str, *, tty: bool) -> None:
        """Run it; nobody reads what it writes."""
        self._engine.call(Request("POST", f"/exec/{quote(ident)}/start", None, {"Detach": True, "Tty": tty}))

    def inspect(self, ident: str) -> Exec:
        """GET /exec/{id}/json: whether it runs, and its exit code."""
        return self._engine.ask(Request("GET", f"/exec/{quote(ident)}/json"), _EXEC)

    def resize(self, ident: str, rows: int, columns: int) -> None:
        """The size of its terminal, in characters."""
        self._engine.call(Request("POST", f"/exec/{quote(ident)}/resize", {"h": rows, "w": columns}))

    def kill(self, ident: str, signal: str = "SIGKILL") -> None:
        """Send a signal to the command and its group. Only our own engine has this call."""
        path = f"/pycompose/exec/{quote(ident)}/kill"
        self._engine.call(Request("POST", path, {"signal": signal}, versioned=False))
