"""Calls of the Engine API on a swarm: nodes, services, tasks, secrets and configs. A manager answers them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .answers import MAYBE_OBJECTS, OBJECT, OBJECTS
from .http import quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .caller import Caller
    from .http import Response

Objects = list[dict[str, Any]]

_FIELDS = {
    "Command": "strings",
    "Driver": "string or object",
    "Networks": OBJECTS,
    "Plugins": OBJECTS,
    "Spec": OBJECT,
    "Version": OBJECT,
}
"""Names that mean something else in a swarm's objects than in the rest of the API."""


class Swarm:
    """``noun`` is a path of the API: services, secrets, configs, nodes, networks. Versions are those of ``Version.Index``."""

    def __init__(self, engine: Caller) -> None:
        self._engine = engine

    def cluster(self) -> dict[str, Any]:
        """The swarm itself. Raises `EngineError` (503) where the engine manages none."""
        result: dict[str, Any] = self._engine.call("GET", "/swarm", expect=OBJECT, fields=_FIELDS)
        return result

    def list(self, noun: str, filters: Mapping[str, Sequence[str]] | None = None) -> Objects:
        query = {"filters": json.dumps(filters) if filters else None}
        result: Objects = self._engine.call("GET", f"/{noun}", query, expect=MAYBE_OBJECTS, fields=_FIELDS) or []
        return result

    def inspect(self, noun: str, ref: str) -> dict[str, Any]:
        result: dict[str, Any] = self._engine.call("GET", f"/{noun}/{quote(ref)}", expect=OBJECT, fields=_FIELDS)
        return result

    def create(self, noun: str, spec: Mapping[str, Any], auth: str | None = None) -> dict[str, Any]:
        headers = {"X-Registry-Auth": auth} if auth else None
        result: dict[str, Any] = self._engine.call(
            "POST", f"/{noun}/create", None, dict(spec), headers=headers, expect=OBJECT
        )
        return result

    def update(
        self, noun: str, ref: str, version: int, spec: Mapping[str, Any], auth: str | None = None
    ) -> dict[str, Any]:
        """Raises `EngineError` when the object is no longer at ``version``."""
        headers = {"X-Registry-Auth": auth} if auth else None
        path = f"/{noun}/{quote(ref)}/update"
        result: dict[str, Any] = self._engine.call("POST", path, {"version": version}, dict(spec), headers=headers)
        return result or {}

    def remove(self, noun: str, ref: str) -> None:
        self._engine.call("DELETE", f"/{noun}/{quote(ref)}")

    def logs(self, noun: str, ref: str, query: Mapping[str, Any]) -> Response:
        """The output of a service's tasks or of one task, in multiplexed frames; ``noun`` is services or tasks."""
        return self._engine.stream("GET", f"/{noun}/{quote(ref)}/logs", query)

    def distribution(self, ref: str, auth: str | None = None) -> dict[str, Any]:
        """What the registry says of an image: its descriptor, with the digest, and its platforms."""
        headers = {"X-Registry-Auth": auth} if auth else None
        result: dict[str, Any] = self._engine.call("GET", f"/distribution/{ref}/json", headers=headers, expect=OBJECT)
        return result
