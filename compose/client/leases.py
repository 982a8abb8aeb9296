"""Calls of our own engine on leases: stacks that go when their owner goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .answers import OBJECT, OBJECTS
from .http import quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .caller import Caller

Objects = list[dict[str, Any]]
PATH = "/pycompose/leases"


class Leases:
    """Raises `UsageError` when the engine is another one: only ours has leases."""

    def __init__(self, engine: Caller) -> None:
        if not engine.is_pycompose:
            raise UsageError(f"the engine at {engine.endpoint.address} has no leases: only pycompose's own engine has")
        self._engine = engine

    def list(self) -> Objects:
        result: Objects = self._engine.call("GET", PATH, versioned=False, expect=OBJECTS)
        return result

    def create(self, owner: Mapping[str, Any], labels: Mapping[str, str], images: Sequence[str] = ()) -> dict[str, Any]:
        body = {"owner": dict(owner), "labels": dict(labels), "images": list(images)}
        result: dict[str, Any] = self._engine.call("POST", PATH, None, body, versioned=False, expect=OBJECT)
        return result

    def own(self, id: str, owner: Mapping[str, Any]) -> dict[str, Any]:
        """Another owner, or more time."""
        path = f"{PATH}/{quote(id)}/owner"
        result: dict[str, Any] = self._engine.call(
            "POST", path, None, {"owner": dict(owner)}, versioned=False, expect=OBJECT
        )
        return result

    def release(self, id: str) -> None:
        """End the lease, leave the stack."""
        self._engine.call("POST", f"{PATH}/{quote(id)}/release", versioned=False)

    def end(self, id: str) -> None:
        """End the lease and take the stack away; returns when it is gone."""
        self._engine.call("DELETE", f"{PATH}/{quote(id)}", versioned=False)
