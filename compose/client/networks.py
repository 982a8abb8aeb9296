"""Calls of the Engine API on networks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .answers import OBJECT, OBJECTS, Shape
from .caller import Request
from .http import quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .bodies.containers import Identified, Pruned
    from .bodies.networks import Network
    from .caller import Caller

_FIELDS = {"Created": "string", "Containers": "object"}
_NETWORK: Shape[Network] = Shape(OBJECT, _FIELDS)
_NETWORKS: Shape[list[Network]] = Shape(OBJECTS, _FIELDS)
_MADE: Shape[Identified] = Shape(OBJECT)
_PRUNED: Shape[Pruned] = Shape(OBJECT)


class Networks:
    """What an engine can do with networks; ``ref`` is an id, a prefix of one, or a name. Raises `NotFound` (404), `Conflict`
    (409), `EngineError`."""

    def __init__(self, engine: Caller) -> None:
        self._engine = engine

    def list(self, filters: Mapping[str, Sequence[str]] | None = None) -> list[Network]:
        """GET /networks; without the containers on them."""
        query = {"filters": json.dumps(filters) if filters else None}
        return self._engine.ask(Request("GET", "/networks", query), _NETWORKS)

    def inspect(self, ref: str, *, verbose: bool = False) -> Network:
        """``verbose``: a swarm's network with its services and tasks."""
        return self._engine.ask(Request("GET", f"/networks/{quote(ref)}", {"verbose": verbose or None}), _NETWORK)

    def create(self, body: Mapping[str, object]) -> Identified:
        """POST /networks/create with the API's body."""
        return self._engine.ask(Request("POST", "/networks/create", None, dict(body)), _MADE)

    def remove(self, ref: str) -> None:
        """Delete it; one with containers on it is refused (403)."""
        self._engine.call(Request("DELETE", f"/networks/{quote(ref)}"))

    def connect(self, ref: str, container: str, endpoint: Mapping[str, object] | None = None) -> None:
        """A container joins, with aliases and addresses of its own in ``endpoint`` (EndpointConfig)."""
        body = {"Container": container, "EndpointConfig": dict(endpoint or {})}
        self._engine.call(Request("POST", f"/networks/{quote(ref)}/connect", None, body))

    def disconnect(self, ref: str, container: str, *, force: bool = False) -> None:
        """A container leaves; ``force`` also one that is no more."""
        body = {"Container": container, "Force": force}
        self._engine.call(Request("POST", f"/networks/{quote(ref)}/disconnect", None, body))

    def prune(self, filters: Mapping[str, Sequence[str]] | None = None) -> Pruned:
        """Delete all that no container is on; their names."""
        return self._engine.ask(Request("POST", "/networks/prune", {"filters": json.dumps(filters or {})}), _PRUNED)
