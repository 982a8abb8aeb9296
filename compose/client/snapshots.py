"""Calls of our own engine on snapshots of volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import UsageError
from .answers import OBJECTS, Shape
from .caller import Request
from .http import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .bodies.volumes import Snapshot
    from .caller import Caller

PATH = "/pycompose/snapshots"

_SNAPSHOTS: Shape[list[Snapshot]] = Shape(OBJECTS, {"Created": "number", "Volumes": "strings"})


class Snapshots:
    """Raises `UsageError` when the engine is another one: only ours has snapshots."""

    def __init__(self, engine: Caller) -> None:
        if not engine.is_pycompose:
            raise UsageError(
                f"the engine at {engine.endpoint.address} has no snapshots: only pycompose's own engine has"
            )
        self._engine = engine

    def list(self, group: str) -> list[Snapshot]:
        return self._engine.ask(Request("GET", PATH, {"group": group}, versioned=False), _SNAPSHOTS)

    def save(self, group: str, name: str, volumes: Mapping[str, str], lease: str = "") -> None:
        """``volumes``: key -> volume name. No container may run on them."""
        body = {"group": group, "name": name, "volumes": dict(volumes), "lease": lease}
        self._engine.call(Request("POST", PATH, None, body, versioned=False))

    def restore(self, group: str, name: str, volumes: Mapping[str, str]) -> None:
        path = f"{PATH}/{quote(group)}/{quote(name)}/restore"
        self._engine.call(Request("POST", path, None, {"volumes": dict(volumes)}, versioned=False))

    def remove(self, group: str, name: str) -> None:
        self._engine.call(Request("DELETE", f"{PATH}/{quote(group)}/{quote(name)}", versioned=False))
