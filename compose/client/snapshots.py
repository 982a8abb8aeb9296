"""Calls of our own engine on snapshots of volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .answers import OBJECTS
from .http import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .caller import Caller

Objects = list[dict[str, Any]]
PATH = "/pycompose/snapshots"


class Snapshots:
    """Raises `UsageError` when the engine is another one: only ours has snapshots."""

    def __init__(self, engine: Caller) -> None:
        if not engine.is_pycompose:
            raise UsageError(
                f"the engine at {engine.endpoint.address} has no snapshots: only pycompose's own engine has"
            )
        self._engine = engine

    def list(self, group: str) -> Objects:
        result: Objects = self._engine.call("GET", PATH, {"group": group}, versioned=False, expect=OBJECTS)
        return result

    def save(self, group: str, name: str, volumes: Mapping[str, str], lease: str = "") -> None:
        """``volumes``: key -> volume name. No container may run on them."""
        body = {"group": group, "name": name, "volumes": dict(volumes), "lease": lease}
        self._engine.call("POST", PATH, None, body, versioned=False)

    def restore(self, group: str, name: str, volumes: Mapping[str, str]) -> None:
        path = f"{PATH}/{quote(group)}/{quote(name)}/restore"
        self._engine.call("POST", path, None, {"volumes": dict(volumes)}, versioned=False)

    def remove(self, group: str, name: str) -> None:
        self._engine.call("DELETE", f"{PATH}/{quote(group)}/{quote(name)}", versioned=False)
