"""Clients' sessions: connections on which the client is the server, and lends its files, secrets, agents and logins.

A client opens one by ``POST /session`` and names it in what it asks for; the two may come in either order, so whoever wants
a session waits for it a little. A session ends with its connection.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from ..errors import Conflict, InvalidParameter
from .grpc import UNAVAILABLE, ClientCall, GrpcError
from .http2 import Connection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .http2 import Pipe

PATIENCE = 5.0


@dataclass(slots=True)
class Session:
    """``methods`` are the gRPC methods that the client offers, in lower case. ``shared_key`` names the context's place. Without a
    connection the client has named no session, and lends nothing."""

    id: str
    shared_key: str
    methods: frozenset[str]
    connection: Connection | None
    ended: anyio.Event = field(default_factory=anyio.Event)

    def offers(self, path: str) -> bool:
        return path.lower() in self.methods

    def call(self, path: str, metadata: Mapping[str, Sequence[str]] | None = None) -> ClientCall:
        """Begin a call of one of the client's methods. Raises GrpcError, StreamLost."""
        if self.connection is None:
            raise GrpcError("no active sessions", UNAVAILABLE)
        return ClientCall(self.connection, path, metadata or {})


class Sessions:
    """All sessions of this engine, by id."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._changed = anyio.Event()

    def check(self, id: str) -> None:
        """Whether a session of this id could begin. Raises InvalidParameter, Conflict."""
        if not id:
            raise InvalidParameter("X-Docker-Expose-Session-Uuid is missing")
        if id in self._sessions:
            raise Conflict(f"session {id} already exists")

    async def serve(self, pipe: Pipe, id: str, *, shared_key: str, methods: Sequence[str]) -> None:
        """Keep a session until the client leaves."""
        self.check(id)
        connection = Connection(pipe)
        session = Session(id, shared_key, frozenset(name.lower() for name in methods), connection)
        self._sessions[id] = session
        self._changed.set()
        self._changed = anyio.Event()
        try:
            await connection.run()
        finally:
            del self._sessions[id]
            session.ended.set()

    async def get(self, id: str) -> Session:
        """The session; waits for one that is about to come. "" is one that lends nothing. Raises GrpcError."""
        if not id:
            return Session("", "", frozenset(), None)
        with anyio.move_on_after(PATIENCE):
            while id not in self._sessions:
                await self._changed.wait()
        if id not in self._sessions:
            raise GrpcError(f"no active session for {id}", UNAVAILABLE)
        return self._sessions[id]
