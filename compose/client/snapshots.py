"""Calls of our own engine on snapshots of volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import UsageError
from .answers import OBJECTS, Shape
from .caller import Request
from .http import quote
from .images import TRANSFER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .bodies.images import Transfer
    from .bodies.volumes import Snapshot
    from .caller import Caller

PATH = "/pycompose/snapshots"

_SNAPSHOTS: Shape[list[Snapshot]] = Shape(OBJECTS, {"Group": "string", "Created": "number", "Volumes": "strings"})


class Snapshots:
    """Raises `UsageError` when the engine is another one: only ours has snapshots."""

    def __init__(self, engine: Caller) -> None:
        if not engine.is_pycompose:
            raise UsageError(
                f"the engine at {engine.endpoint.address} has no snapshots: only pycompose's own engine has"
            )
        self._engine = engine

    def list(self, group: str = "") -> list[Snapshot]:
        """The snapshots of a group, such as a project, or of all."""
        return self._engine.ask(Request("GET", PATH, {"group": group}, versioned=False), _SNAPSHOTS)

    def save(self, group: str, name: str, volumes: Mapping[str, str], lease: str = "") -> None:
        """``volumes``: key -> volume name. No container may run on them."""
        body = {"group": group, "name": name, "volumes": dict(volumes), "lease": lease}
        self._engine.call(Request("POST", PATH, None, body, versioned=False))

    def restore(self, group: str, name: str, volumes: Mapping[str, str]) -> None:
        """Give the volumes (key -> volume name) what they held in the snapshot. No container may run on them."""
        path = f"{PATH}/{quote(group)}/{quote(name)}/restore"
        self._engine.call(Request("POST", path, None, {"volumes": dict(volumes)}, versioned=False))

    def remove(self, group: str, name: str) -> None:
        """Forget the snapshot; layers that nothing else refers to are deleted."""
        self._engine.call(Request("DELETE", f"{PATH}/{quote(group)}/{quote(name)}", versioned=False))

    def push(self, group: str, name: str, ref: str, auth: str | None = None) -> Iterator[Transfer]:
        """Send the snapshot to the registry that ``ref`` names."""
        path, headers = f"{PATH}/{quote(group)}/{quote(name)}/push", {"X-Registry-Auth": auth} if auth else None
        return self._engine.lines(Request("POST", path, {"ref": ref}, headers=headers, versioned=False), TRANSFER)

    def pull(self, group: str, ref: str, name: str | None = None, auth: str | None = None) -> Iterator[Transfer]:
        """Fetch a snapshot from a registry; ``name`` is the one it gets, None for the one that it was saved under."""
        path, headers = f"{PATH}/{quote(group)}/pull", {"X-Registry-Auth": auth} if auth else None
        query = {"ref": ref, "name": name or None}
        return self._engine.lines(Request("POST", path, query, headers=headers, versioned=False), TRANSFER)
