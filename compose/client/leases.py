"""Calls of our own engine on leases: stacks that go when their owner exits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import UsageError
from .answers import OBJECT, OBJECTS, Shape
from .caller import Request
from .http import quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .bodies.jobs import Lease
    from .caller import Caller

PATH = "/pycompose/leases"

_FIELDS = {"Created": "number", "Images": "strings"}
_LEASE: Shape[Lease] = Shape(OBJECT, _FIELDS)
_LEASES: Shape[list[Lease]] = Shape(OBJECTS, _FIELDS)


class Leases:
    """Raises `UsageError` when the engine is another one: only ours has leases."""

    def __init__(self, engine: Caller) -> None:
        if not engine.is_pycompose:
            raise UsageError(f"the engine at {engine.endpoint.address} has no leases: only pycompose's own engine has")
        self._engine = engine

    def list(self) -> list[Lease]:
        """All that hold."""
        return self._engine.ask(Request("GET", PATH, versioned=False), _LEASES)

    def create(self, owner: Mapping[str, object], labels: Mapping[str, str], images: Sequence[str] = ()) -> Lease:
        """A lease for what has these labels: it goes when ``owner`` does (a pid, a descriptor, a time), and ``images`` with
        it."""
        body = {"owner": dict(owner), "labels": dict(labels), "images": list(images)}
        return self._engine.ask(Request("POST", PATH, None, body, versioned=False), _LEASE)

    def own(self, id: str, owner: Mapping[str, object]) -> Lease:
        """Another owner, or more time."""
        path = f"{PATH}/{quote(id)}/owner"
        return self._engine.ask(Request("POST", path, None, {"owner": dict(owner)}, versioned=False), _LEASE)

    def release(self, id: str) -> None:
        """End the lease, leave the stack."""
        self._engine.call(Request("POST", f"{PATH}/{quote(id)}/release", versioned=False))

    def end(self, id: str) -> None:
        """End the lease and take the stack away; returns when it is gone."""
        self._engine.call(Request("DELETE", f"{PATH}/{quote(id)}", versioned=False))
