"""Calls of the Engine API on volumes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..errors import EngineError, UsageError
from .answers import OBJECT, OBJECTS, Shape
from .caller import TAR, Request
from .http import quote

if TYPE_CHECKING:
    import builtins
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .bodies import volumes as bodies
    from .bodies.containers import Pruned
    from .caller import Caller
    from .http import Query

_FIELDS = {"CreatedAt": "string"}
_VOLUME: Shape[bodies.Volume] = Shape(OBJECT, _FIELDS)
_VOLUMES: Shape[bodies.Volumes] = Shape(OBJECT, {"Volumes": OBJECTS, **_FIELDS})
_PRUNED: Shape[Pruned] = Shape(OBJECT)
_USAGE: Shape[list[bodies.VolumeUsage]] = Shape(OBJECTS)


class Volumes:
    """What an engine can do with volumes. Raises `NotFound` (404), `Conflict` (409), `EngineError`."""

    def __init__(self, engine: Caller) -> None:
        self._engine = engine

    def list(self, filters: Mapping[str, Sequence[str]] | None = None) -> list[bodies.Volume]:
        """GET /volumes."""
        query = {"filters": json.dumps(filters) if filters else None}
        return self._engine.ask(Request("GET", "/volumes", query), _VOLUMES).get("Volumes") or []

    def inspect(self, name: str) -> bodies.Volume:
        """GET /volumes/{name}."""
        return self._engine.ask(Request("GET", f"/volumes/{quote(name)}"), _VOLUME)

    def create(self, body: Mapping[str, object]) -> bodies.Volume:
        """POST /volumes/create with the API's body; one that is there already is the answer as it is."""
        return self._engine.ask(Request("POST", "/volumes/create", None, dict(body)), _VOLUME)

    def remove(self, name: str, *, force: bool = False) -> None:
        """Delete it and what it holds; one that a container uses is refused (409). ``force``: one that is not there is no
        error."""
        self._engine.call(Request("DELETE", f"/volumes/{quote(name)}", {"force": force or None}))

    def prune(self, filters: Mapping[str, Sequence[str]] | None = None) -> Pruned:
        """Delete anonymous ones that no container uses, with the filter ``all`` named ones too; their names, and the bytes
        that this freed."""
        return self._engine.ask(Request("POST", "/volumes/prune", {"filters": json.dumps(filters or {})}), _PRUNED)

    # of our own engine -------------------------------------------------------------------------------------------------
    def export(self, name: str) -> Iterator[bytes]:
        """The volume as a tar. Raises `UsageError` on another engine, at once."""
        path = self._own(name, "archive")
        response = self._engine.stream(Request("GET", path, versioned=False))

        def blocks() -> Iterator[bytes]:
            with response:
                yield from response.blocks()

        return blocks()

    def import_(self, name: str, archive: Iterable[bytes], *, force: bool = False) -> None:
        """Fill a volume, made when it is missing, from a tar; whole or not at all. ``force``: in place of what it holds."""
        query = {"force": force or None}
        self._engine.call(Request("PUT", self._own(name, "archive"), query, archive, TAR, None, versioned=False))

    def clone(self, source: str, target: str, *, force: bool = False) -> None:
        """A copy of ``source`` under the name ``target``; whole or not at all. ``force``: in place of what ``target`` holds.
        Our engine only."""
        body = {"Target": target, "Force": force}
        self._engine.call(Request("POST", self._own(source, "clone"), None, body, timeout=None, versioned=False))

    def usage(self, names: Sequence[str]) -> builtins.list[bodies.VolumeUsage]:
        """Name, Size, Allocated (where it is known) and RefCount of each; of all when none is named."""
        if self._engine.is_pycompose:
            query: Query = {"name": list(names) or None}
            return self._engine.ask(Request("GET", "/pycompose/volumes", query, timeout=None, versioned=False), _USAGE)
        from .system import DISK

        answer = self._engine.ask(Request("GET", "/system/df", {"type": "volume"}), DISK)
        found: dict[str, bodies.VolumeUsage] = {
            one["Name"]: {"Name": one["Name"], "Size": used.get("Size", -1), "RefCount": used.get("RefCount", 0)}
            for one, used in ((one, one.get("UsageData") or {}) for one in answer.get("Volumes") or ())
        }
        missing = [name for name in names if name not in found]
        if missing:
            raise EngineError(f"get {missing[0]}: no such volume")
        return [found[name] for name in names or sorted(found)]

    def _own(self, name: str, what: str) -> str:
        if "/" in name:
            raise UsageError(f"invalid volume name {name!r}: a directory is no volume")
        if not self._engine.is_pycompose:
            raise UsageError(
                f"the engine at {self._engine.endpoint.address} neither exports nor imports volumes: only pycompose's own does"
                f" (there: container run --rm -v {name}:/v busybox tar -C /v -c .)"
            )
        return f"/pycompose/volumes/{quote(name)}/{what}"
