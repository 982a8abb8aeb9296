"""Calls of the Engine API on commands executed in running containers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .answers import OBJECT
from .http import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .caller import Caller
    from .http import Response


class Execs:
    def __init__(self, engine: Caller) -> None:
        self._engine = engine

    def create(self, container: str, body: Mapping[str, Any]) -> str:
        return str(
            self._engine.call("POST", f"/containers/{quote(container)}/exec", None, dict(body), expect=OBJECT)["Id"]
        )

    def start(self, ident: str, *, tty: bool) -> Response:
        """A response to `hijack`: both directions of the command's stdio."""
        return self._engine.stream(
            "POST",
            f"/exec/{quote(ident)}/start",
            None,
            {"Detach": False, "Tty": tty},
            headers={"Connection": "Upgrade", "Upgrade": "tcp"},
        )

    def start_detached(self, ident: str, *, tty: bool) -> None:
        self._engine.call("POST", f"/exec/{quote(ident)}/start", None, {"Detach": True, "Tty": tty})

    def inspect(self, ident: str) -> dict[str, Any]:
        result: dict[str, Any] = self._engine.call("GET", f"/exec/{quote(ident)}/json", expect=OBJECT)
        return result

    def resize(self, ident: str, rows: int, columns: int) -> None:
        self._engine.call("POST", f"/exec/{quote(ident)}/resize", {"h": rows, "w": columns})
