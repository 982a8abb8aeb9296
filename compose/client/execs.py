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
    def __init__(self, engine: Caller) -> None:
        self._engine = engine

    def create(self, container: str, body: Mapping[str, object]) -> str:
        return self._engine.ask(Request("POST", f"/containers/{quote(container)}/exec", None, dict(body)), _MADE)["Id"]

    def start(self, ident: str, *, tty: bool) -> Response:
        """A response to `hijack`: both directions of the command's stdio."""
        body = {"Detach": False, "Tty": tty}
        return self._engine.stream(Request("POST", f"/exec/{quote(ident)}/start", None, body, UPGRADE))

    def start_detached(self, ident: str, *, tty: bool) -> None:
        self._engine.call(Request("POST", f"/exec/{quote(ident)}/start", None, {"Detach": True, "Tty": tty}))

    def inspect(self, ident: str) -> Exec:
        return self._engine.ask(Request("GET", f"/exec/{quote(ident)}/json"), _EXEC)

    def resize(self, ident: str, rows: int, columns: int) -> None:
        self._engine.call(Request("POST", f"/exec/{quote(ident)}/resize", {"h": rows, "w": columns}))
