"""Calls of the Engine API on networks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .answers import OBJECT, OBJECTS
from .http import quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .caller import Caller


Objects = list[dict[str, Any]]


class Networks:
    def __init__(self, engine: Caller) -> None:
        self._engine = engine

    def list(self, filters: Mapping[str, Sequence[str]] | None = None) -> Objects:
        query = {"filters": json.dumps(filters) if filters else None}
        result: Objects = self._engine.call("GET", "/networks", query, expect=OBJECTS)
        return result

    def inspect(self, ref: str) -> dict[str, Any]:
        result: dict[str, Any] = self._engine.call("GET", f"/networks/{quote(ref)}", expect=OBJECT)
        return result

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = self._engine.call("POST", "/networks/create", None, dict(body), expect=OBJECT)
        return result

    def remove(self, ref: str) -> None:
        self._engine.call("DELETE", f"/networks/{quote(ref)}")

    def connect(self, ref: str, container: str, endpoint: Mapping[str, Any] | None = None) -> None:
        body = {"Container": container, "EndpointConfig": dict(endpoint or {})}
        self._engine.call("POST", f"/networks/{quote(ref)}/connect", None, body)

    def disconnect(self, ref: str, container: str, *, force: bool = False) -> None:
        self._engine.call("POST", f"/networks/{quote(ref)}/disconnect", None, {"Container": container, "Force": force})

    def prune(self, filters: Mapping[str, Sequence[str]] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = self._engine.call(
            "POST", "/networks/prune", {"filters": json.dumps(filters or {})}, expect=OBJECT
        )
        return result
