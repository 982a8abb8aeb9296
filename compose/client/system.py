"""Calls of the Engine API on the engine itself: version, info, events; and our engine's own status and stop."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .answers import OBJECT, check
from .frames import json_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .caller import Caller
    from .http import Response


class Events:
    """A subscription: the engine has it when this exists. Iterate for events; `close` from any thread ends it."""

    def __init__(self, response: Response) -> None:
        self._response = response
        self._closed = False

    def __iter__(self) -> Iterator[dict[str, Any]]:
        from ..errors import EngineError

        try:
            with self._response:
                for event in json_lines(self._response.blocks()):
                    check(event, "GET /events")
                    yield event
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
    def __init__(self, engine: Caller) -> None:
        self._engine = engine

    def version(self) -> dict[str, Any]:
        result: dict[str, Any] = self._engine.call("GET", "/version", expect=OBJECT)
        return result

    def info(self) -> dict[str, Any]:
        # A runtime's status is an object, and so is the version of a swarm's manager.
        fields = {"Version": "string or object", "status": "string or object"}
        result: dict[str, Any] = self._engine.call("GET", "/info", expect=OBJECT, fields=fields)
        return result

    def events(
        self, filters: Mapping[str, Sequence[str]] | None = None, since: str | None = None, until: str | None = None
    ) -> Events:
        query = {"filters": json.dumps(filters) if filters else None, "since": since, "until": until}
        return Events(self._engine.stream("GET", "/events", query))

    def login(self, credentials: Mapping[str, str]) -> dict[str, Any]:
        """POST /auth: ``Status``, and an ``IdentityToken`` where the registry gives one."""
        result: dict[str, Any] = self._engine.call("POST", "/auth", None, dict(credentials), expect=OBJECT)
        return result

    def disk_usage(self) -> dict[str, Any]:
        """``layers-in-use`` is our engine's: a total that sizes of images cannot give."""
        result: dict[str, Any] = self._engine.call("GET", "/system/df", {"layers-in-use": True}, expect=OBJECT)
        return result

    def engine_status(self) -> dict[str, Any]:
        """Our engine only: version, root, socket, pid, keeper_pid, containers."""
        result: dict[str, Any] = self._engine.call("GET", "/pycompose/engine", versioned=False, expect=OBJECT)
        return result

    def engine_check(self) -> list[dict[str, str]]:
        """Our engine only: findings with name, state (ok, weak, bad), found, remedy."""
        result: list[dict[str, str]] = self._engine.call("GET", "/pycompose/engine/check", versioned=False)
        return result

    def engine_stop(self, *, force: bool = False) -> None:
        """Our engine only: stop it; with ``force``, even while containers run."""
        self._engine.call("POST", "/pycompose/engine/stop", {"force": force}, versioned=False)
