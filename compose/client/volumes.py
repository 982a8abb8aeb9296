"""Calls of the Engine API on volumes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..errors import EngineError, UsageError
from .answers import OBJECT, OBJECTS
from .http import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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

    # of our own engine -------------------------------------------------------------------------------------------------
    def export(self, name: str) -> Iterator[bytes]:
        """The volume as a tar. Raises `UsageError` on another engine, at once."""
        path = self._own(name, "archive")
        response = self._engine.stream("GET", path, versioned=False)

        def blocks() -> Iterator[bytes]:
            with response:
                yield from response.blocks()

        return blocks()

    def import_(self, name: str, archive: Iterable[bytes], *, force: bool = False) -> None:
        """Fill a volume, made when it is missing, from a tar; whole or not at all. ``force``: in place of what it holds."""
        headers = {"Content-Type": "application/x-tar"}
        query = {"force": force or None}
        path = self._own(name, "archive")
        self._engine.call("PUT", path, query, archive, headers=headers, timeout=None, versioned=False)

    def clone(self, source: str, target: str, *, force: bool = False) -> None:
        body = {"Target": target, "Force": force}
        self._engine.call("POST", self._own(source, "clone"), None, body, timeout=None, versioned=False)

    def usage(self, names: Sequence[str]) -> Objects:
        """Name, Size, Allocated (where it is known) and RefCount of each; of all when none is named."""
        if self._engine.is_pycompose:
            query = {"name": list(names) or None}
            result: Objects = self._engine.call(
                "GET", "/pycompose/volumes", query, timeout=None, versioned=False, expect=OBJECTS
            )
            return result
        answer = self._engine.call("GET", "/system/df", {"type": "volume"}, expect=OBJECT, fields={"Volumes": OBJECTS})
        found = {
            str(one["Name"]): {"Name": one["Name"], **(one.get("UsageData") or {})}
            for one in answer.get("Volumes") or ()
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
