"""Published TCP ports over IPv6 where address translation cannot lead: ``[::1]``, and containers that have IPv4 only.

The engine hands the shim a listening IPv6 socket per such port. Each connection is continued over IPv4 to RELAY_ADDRESS
at the same port, which nftables translates to the container like any other address of this host: so nothing here knows
where the container is, and a container that moves to another network stays reachable. IPv4 and UDP never come here.

    client ──tcp/IPv6──► listener (held by the shim) ──tcp/IPv4──► 127.255.255.254:port ──nftables──► container

Memory is bounded: MAX_CONNECTIONS, and one chunk a direction, for nothing is read before the other side took what was.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

from .loop import READ, WRITE

if TYPE_CHECKING:
    from collections.abc import Callable

    from .loop import Loop

RELAY_ADDRESS = "127.255.255.254"
MAX_CONNECTIONS = 128
_CHUNK = 1 << 16
_ABORT = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset


def wanted(descriptor: int) -> bool:
    """Whether a held descriptor is a listening IPv6 TCP socket."""
    held = socket.socket(fileno=descriptor)
    try:
        return (
            held.family == socket.AF_INET6
            and held.type == socket.SOCK_STREAM
            and held.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
        )
    finally:
        held.detach()


class Relay:
    """Serves one listener (a descriptor it takes over) on the shim's loop until closed."""

    def __init__(self, loop: Loop, descriptor: int) -> None:
        self._loop = loop
        self._listener = socket.socket(fileno=descriptor)
        self._port: int = self._listener.getsockname()[1]
        self._connections: set[Connection] = set()
        self._listener.setblocking(False)
        loop.watch(descriptor, lambda _: self._accept())

    def close(self) -> None:
        """Stop listening, and cut what is under way."""
        self._loop.forget(self._listener.fileno())
        self._listener.close()
        for connection in tuple(self._connections):
            connection.cut()

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return  # the client is gone already
        if len(self._connections) >= MAX_CONNECTIONS:
            abort(client)
            return
        server = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        client.setblocking(False)
        server.setblocking(False)
        server.connect_ex((RELAY_ADDRESS, self._port))  # in progress; a refusal shows at the first use
        self._connections.add(Connection(self._loop, client, server, self._connections.discard))


class Connection:
    """Two sockets and what is on its way between them; over when both directions have ended or either side broke."""

    def __init__(
        self, loop: Loop, client: socket.socket, server: socket.socket, closed: Callable[[Connection], None]
    ) -> None:
        self._loop = loop
        self._sides = (client, server)
        self._closed = closed
        self._pending = [b"", b""]  # what side 0 and side 1 still have to be sent
        self._ended = [False, False]  # side 0 and side 1 will send no more
        self._connecting = True
        self._watch()

    def _watch(self) -> None:
        """Each side is read while the other has taken everything, and written while something waits for it."""
        if self._connecting:
            self._loop.watch(self._sides[1].fileno(), self._ready, WRITE)
            return
        for side, own in enumerate(self._sides):
            events = 0
            if not self._ended[side] and not self._pending[1 - side]:
                events |= READ
            if self._pending[side]:
                events |= WRITE
            if events:
                self._loop.watch(own.fileno(), self._ready, events)
            else:
                self._loop.forget(own.fileno())

    def _ready(self, _: int) -> None:
        self._connecting = False
        try:
            for side in (0, 1):
                self._flush(side)
                self._read(side)
        except OSError:
            self.cut()
            return
        if all(self._ended) and not any(self._pending):
            self._finish()
        else:
            self._watch()

    def _read(self, side: int) -> None:
        if self._ended[side] or self._pending[1 - side]:
            return
        try:
            data = self._sides[side].recv(_CHUNK)
        except BlockingIOError:
            return
        if not data:
            self._ended[side] = True
            self._sides[1 - side].shutdown(socket.SHUT_WR)
            return
        self._pending[1 - side] = data
        self._flush(1 - side)

    def _flush(self, side: int) -> None:
        if not self._pending[side]:
            return
        try:
            sent = self._sides[side].send(self._pending[side])
        except BlockingIOError:
            return
        self._pending[side] = self._pending[side][sent:]

    def cut(self) -> None:
        """End both sides with a reset."""
        for own in self._sides:
            self._loop.forget(own.fileno())
            abort(own)
        self._closed(self)

    def _finish(self) -> None:
        for own in self._sides:
            self._loop.forget(own.fileno())
            own.close()
        self._closed(self)


def abort(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
    connection.close()
