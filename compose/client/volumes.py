"""Calls of the Engine API on volumes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .answers import OBJECT, OBJECTS
from .http import quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .caller import Caller


Objects = list[dict[str, Any]]


class Volumes:
    def __init__(self, engine: Caller) -> None:
        self._engine = engine

    def list(self, filters: Mapping[str, Sequence[str]] | None = None) -> Objects:
        query = {"filters": json.dumps(filters) if filters else None}
        return (
            self._engine.call("GET", "/volumes", query, expect=OBJECT, fields={"Volumes": OBJECTS}).get("Volumes") or []
        )

    def inspect(self, name: str) -> dict[str, Any]:
        result: dict[str, Any] = self._engine.call("GET", f"/volumes/{quote(name)}", expect=OBJECT)
        return result

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = self._engine.call("POST", "/volumes/create", None, dict(body), expect=OBJECT)
        return result

    def remove(self, name: str, *, force: bool = False) -> None:
        self._engine.call("DELETE", f"/volumes/{quote(name)}", {"force": force or None})

    def prune(self, filters: Mapping[str, Sequence[str]] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = self._engine.call(
            "POST", "/volumes/prune", {"filters": json.dumps(filters or {})}, expect=OBJECT
        )
        return result
