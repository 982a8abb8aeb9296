"""Calls of the Engine API on the engine itself: version, info, events; and our engine's own status and stop."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .answers import OBJECT, OBJECTS, Shape, check
from .caller import Request
from .frames import json_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .bodies import system as bodies
    from .bodies.events import Event
    from .caller import Caller
    from .http import Query, Response

_EVENT: Shape[Event] = Shape(OBJECT)
_VERSION: Shape[bodies.Version] = Shape(OBJECT)
_INFO: Shape[bodies.Info] = Shape(
    # The status of a runtime and the version of a swarm manager are objects.
    OBJECT,
    {
        "Version": "string or object",
        "status": "string or object",
        "Containers": "number",
        "Images": "number",
    },
)
DISK: Shape[bodies.DiskUsage] = Shape(
    OBJECT,
    {
        "Volumes": OBJECTS,
        "Images": OBJECTS,
        "Containers": "objects or number",
        "State": "string",
        "Ports": OBJECTS,
        "Created": "number",
        "CreatedAt": "string",
    },
)
_SIGNED_IN: Shape[bodies.SignedIn] = Shape(OBJECT)
_STATUS: Shape[bodies.EngineStatus] = Shape(
    OBJECT,
    {"gc": "object", "Time": "number", "Caches": "number", "Images": "number", "Logs": "number", "Reclaimed": "number"},
)
_FINDINGS: Shape[list[bodies.Finding]] = Shape(OBJECTS)


class Events:
    """A subscription: the engine has it when this exists. Iterate for events; `close` from any thread ends it."""

    def __init__(self, response: Response) -> None:
        self._response = response
        self._closed = False

    def __iter__(self) -> Iterator[Event]:
        from ..errors import EngineError

        try:
            with self._response:
                for event in json_lines(self._response.blocks()):
                    yield check(event, "GET /events", _EVENT)
        except (EngineError, ValueError):
            if not self._closed:
                raise

    def close(self) -> None:
        import contextlib
        import socket

        self._closed = True
        with contextlib.suppress(OSError):
            self._response.connection.socket.shutdown(socket.SHUT_RDWR)


class System:
    """The engine itself. Raises `EngineError`."""

    def __init__(self, engine: Caller) -> None:
        self._engine = engine

    def version(self) -> bodies.Version:
        """GET /version."""
        return self._engine.ask(Request("GET", "/version"), _VERSION)

    def info(self) -> bodies.Info:
        """GET /info: what is there, and what the machine can do."""
        return self._engine.ask(Request("GET", "/info"), _INFO)

    def has_one_id(self) -> bool:
        """Whether root is the only user there is for the containers of our engine (docs/rootless.md)."""
        return any(warning.startswith("WARNING: One user id") for warning in self.info().get("Warnings") or ())

    def events(
        self,
        filters: Mapping[str, Sequence[str]] | None = None,
        since: str | None = None,
        until: str | None = None,
        *,
        own: bool = False,
    ) -> Events:
        """What happens from now on, or since a moment (seconds since the epoch, as text), in order. ``own``: of our engine, those of
        builds, jobs, leases and snapshots as well, which Docker has no types for. Raises `NotFound` where an engine does not know
        them."""
        query: Query = {"filters": json.dumps(filters) if filters else None, "since": since, "until": until}
        path = "/pycompose/events" if own else "/events"
        return Events(self._engine.stream(Request("GET", path, query, versioned=not own)))

    def login(self, credentials: Mapping[str, str]) -> bodies.SignedIn:
        """POST /auth: whether a registry takes these credentials. Raises `EngineError` (401) where it does not."""
        return self._engine.ask(Request("POST", "/auth", None, dict(credentials)), _SIGNED_IN)

    def disk_usage(self) -> bodies.DiskUsage:
        """GET /system/df: what images, containers, volumes and build steps occupy, in bytes."""
        return self._engine.ask(Request("GET", "/system/df", {"layers-in-use": True}), DISK)

    def engine_status(self) -> bodies.EngineStatus:
        """Our engine only."""
        return self._engine.ask(Request("GET", "/pycompose/engine", versioned=False), _STATUS)

    def engine_check(self) -> list[bodies.Finding]:
        """Our engine only."""
        return self._engine.ask(Request("GET", "/pycompose/engine/check", versioned=False), _FINDINGS)

    def engine_stop(self, *, force: bool = False, shutdown: bool = False) -> None:
        """Our engine only: stop it; with ``force``, even while containers run; with ``shutdown`` those with a restart policy run again
        with the next one."""
        words = {"force": force, "shutdown": shutdown}
        self._engine.call(Request("POST", "/pycompose/engine/stop", words, versioned=False))
