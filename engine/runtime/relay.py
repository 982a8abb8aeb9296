"""Published TCP ports over IPv6 where address translation cannot lead: ``[::1]``, and containers that have IPv4 only.

The engine hands the shim a listening IPv6 socket per such port. Each connection is continued over IPv4 to RELAY_ADDRESS
at the same port, which nftables translates to the container like any other address of this host: so nothing here knows
where the container is, and a container that moves to another network stays reachable. IPv4 and UDP never come here.

A container without IPv4 has no place that RELAY_ADDRESS could lead to: the engine says its IPv6 address and port with the socket.

    client ──tcp/IPv6──► listener (held by the shim) ──tcp/IPv4──► 127.255.255.254:port ──nftables──► container

Without root (runtime/inner.py) there is no translation in the host's network at all: every port comes here, IPv4 and UDP as
well, and the shim is in the network namespace where nftables knows the containers. A port of one host address has an
address of its own there, since another container may have the same port of another. The container sees the client's address
(behalf.py).

Memory is bounded: MAX_CONNECTIONS, and one chunk a direction, for nothing is read before the other side took what was. What is
taken at once never leaves the one buffer that all connections share; while much comes, it goes through a pipe instead (pipes.py).
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

from ..linux import userns
from . import behalf, room
from .datagrams import Flow, Flows
from .loop import READ, WRITE
from .pipes import Pipe, Pipes

if TYPE_CHECKING:
    from collections.abc import Callable

    from .loop import Loop

RELAY_ADDRESS = "127.255.255.254"
MAX_CONNECTIONS = 4096
_CHUNK = 1 << 18
_LARGE = 1 << 16
"""From so many bytes at once on, what comes next is worth a pipe."""
_TURN = 4
"""Chunks that one connection may move before it is the others' turn."""
_BURST = 64
_NOW = socket.MSG_DONTWAIT  # whatever another holder of the socket has made of its O_NONBLOCK
_buffer = bytearray(_CHUNK)
_view = memoryview(_buffer)
_ABORT = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset


def wanted(descriptor: int) -> bool:
    """Whether what comes to a held descriptor is to be carried on: to a listening IPv6 TCP socket; without root, to any."""
    held = socket.socket(fileno=descriptor)
    try:
        if held.type != socket.SOCK_STREAM:
            return held.type == socket.SOCK_DGRAM and not userns.is_initial()
        listens = held.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
        return listens and (held.family == socket.AF_INET6 or not userns.is_initial())
    finally:
        held.detach()


def serve(
    loop: Loop, descriptor: int, idle: Callable[[], None] = lambda: None, towards: tuple[str, int] | None = None
) -> Relay | DatagramRelay:
    """Carry on what comes to the descriptor, which is the relay's from here on. ``idle`` is called whenever the last
    connection has ended. ``towards`` is where to, if not to RELAY_ADDRESS."""
    held = socket.socket(fileno=descriptor)
    kind = held.type
    held.detach()
    room.make()
    if kind == socket.SOCK_DGRAM:
        return DatagramRelay(loop, descriptor, towards)
    return Relay(loop, descriptor, idle, towards)


def address_of(host_ip: str) -> str:
    """The loopback address that stands for an address of the host's, where a port of that one is led on from."""
    if userns.is_initial() or host_ip in ("", "0.0.0.0", "::"):
        return RELAY_ADDRESS
    number = 0
    for byte in host_ip.encode():
        number = (number * 31 + byte) & 0xFFFF
    high, low = divmod(number, 256)
    return f"127.254.{high}.{low}"


class Relay:
    """Serves one listener (a descriptor it takes over) on the shim's loop until closed."""

    def __init__(
        self,
        loop: Loop,
        descriptor: int,
        idle: Callable[[], None] = lambda: None,
        towards: tuple[str, int] | None = None,
    ) -> None:
        self._loop = loop
        self._idle = idle
        self._listener = socket.socket(fileno=descriptor)
        host, port = self._listener.getsockname()[:2]
        self._target = towards or (address_of(host), port)
        self._connections: set[Connection] = set()
        self._pipes = Pipes(loop)
        self._most = room.connections(MAX_CONNECTIONS)
        self._listener.setblocking(False)
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.resume()

    @property
    def busy(self) -> bool:
        """Whether connections are under way."""
        return bool(self._connections)

    def resume(self) -> None:
        """Take what comes."""
        self._loop.watch(self._listener.fileno(), lambda _: self._accept())

    def pause(self) -> None:
        """Leave what comes to others who have the same listener; what is under way goes on."""
        self._loop.forget(self._listener.fileno())

    def close(self) -> None:
        """Stop listening, and cut what is under way."""
        self._loop.forget(self._listener.fileno())
        self._listener.close()
        for connection in tuple(self._connections):
            connection.cut()
        self._pipes.close()

    def _accept(self) -> None:
        # Whoever holds the listener as well shares this flag (socket.dup() may clear it): an accept that waited would hold everybody up.
        self._listener.setblocking(False)
        for _ in range(_BURST):
            try:
                client, address = self._listener.accept()
            except OSError:
                return  # nobody waits any more, or the client is gone already
            self._continue(client, address)

    def _continue(self, client: socket.socket, address: tuple[str, int]) -> None:
        if len(self._connections) >= self._most:
            abort(client)
            return
        try:
            server = behalf.connect(socket.SOCK_STREAM, address, self._target)
        except OSError:
            abort(client)
            return
        client.setblocking(False)
        self._connections.add(Connection(self._loop, self._pipes, client, server, self._over))

    def _over(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._idle()


class DatagramRelay:
    """The same for UDP: each client has a socket of its own towards the container."""

    def __init__(self, loop: Loop, descriptor: int, towards: tuple[str, int] | None = None) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._socket.setblocking(False)
        host, port = self._socket.getsockname()[:2]
        self._target = towards or (address_of(host), port)
        self._flows = Flows(loop)
        self._loop = loop
        self.resume()

    busy = False  # a datagram has no connection that ends

    def resume(self) -> None:
        self._loop.watch(self._socket.fileno(), lambda _: self._receive())

    def pause(self) -> None:
        self._loop.forget(self._socket.fileno())

    def close(self) -> None:
        """Take and send nothing more."""
        self.pause()
        self._flows.close()
        self._socket.close()

    def _receive(self) -> None:
        for _ in range(_BURST):
            try:
                data, client = self._socket.recvfrom(65535, _NOW)
            except OSError:
                return
            flow = self._flows.get(client) or self._open(client)
            if flow is not None:
                flow.send(data)

    def _open(self, client: tuple[str, int]) -> Flow | None:
        try:
            towards = behalf.connect(socket.SOCK_DGRAM, client, self._target)
        except OSError:
            return None
        return self._flows.add(client, towards, lambda data: self._socket.sendto(data, _NOW, client))


class Connection:
    """Two sockets and what is on its way between them; over when both directions have ended or either side broke.

    The server may still be connecting: it refuses what is sent then (EAGAIN), has nothing to be read, and tells of a failure as of
    any other end. Only a client's end has to wait, since to end such a connection is to give it up.
    """

    __slots__ = ("_closed", "_connecting", "_ended", "_loop", "_much", "_pending", "_pipes", "_sides", "_watched")

    def __init__(
        self,
        loop: Loop,
        pipes: Pipes,
        client: socket.socket,
        server: socket.socket,
        closed: Callable[[Connection], None],
    ) -> None:
        self._loop = loop
        self._pipes = pipes
        self._sides = (client, server)
        self._closed = closed
        self._pending: list[bytes | Pipe] = [b"", b""]  # what side 0 and side 1 still have to be sent
        self._ended = [False, False]  # side 0 and side 1 will send no more
        self._much = [False, False]  # side 0 and side 1 have sent much of late
        self._connecting = True  # as far as is known
        self._watched = [READ, READ]
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # the client has it of its listener
        loop.watch(client.fileno(), self._client_ready, READ)
        loop.watch(server.fileno(), self._server_ready, READ)

    def _watch(self) -> None:
        """Each side is read while the other has taken everything, and written while something waits for it."""
        for side in (0, 1):
            events = 0
            if not self._ended[side] and not self._pending[1 - side]:
                events = READ
            if self._pending[side]:
                events |= WRITE
            if events != self._watched[side]:
                self._watch_for(side, events)

    def _watch_for(self, side: int, events: int) -> None:
        self._watched[side] = events
        if events:
            ready = self._server_ready if side else self._client_ready
            self._loop.watch(self._sides[side].fileno(), ready, events)
        else:
            self._loop.forget(self._sides[side].fileno())

    def _client_ready(self, _: int) -> None:
        self._ready(0)

    def _server_ready(self, _: int) -> None:
        self._connecting = False
        self._ready(1)

    def _ready(self, side: int) -> None:
        """What waits for a side goes first, so that the other one is read again; then what it has sent."""
        try:
            if self._pending[side]:
                self._flush(side)
            waits = self._read(side)
        except OSError:
            self.cut()
            return
        if waits:
            self._watch_for(0, 0)
            self._watch_for(1, WRITE)
            return
        if self._ended[0] and self._ended[1] and not any(self._pending):
            self._finish()
        else:
            self._watch()

    def _read(self, side: int) -> bool:
        """Carry on what a side has sent. True: it has sent its last, which has to wait for the connection."""
        if self._ended[side] or self._pending[1 - side]:
            return False
        pipe = self._pipes.borrow() if self._much[side] else None
        if pipe is not None:
            self._pour(side, pipe)
            return False
        return self._copy(side)

    def _copy(self, side: int) -> bool:
        source, sink = self._sides[side], self._sides[1 - side]
        for _ in range(_TURN):
            try:
                count = source.recv_into(_buffer)
            except BlockingIOError:
                break
            if not count:
                if self._connecting:
                    return True
                self._end(side)
                break
            self._much[side] = count >= _LARGE
            try:
                sent = sink.send(_view[:count])
                self._connecting = False
            except BlockingIOError:
                sent = 0
            if sent < count:
                self._pending[1 - side] = bytes(_view[sent:count])
                break
            if count < _CHUNK:
                break  # likely all there is; the loop knows better
        return False

    def _pour(self, side: int, pipe: Pipe) -> None:
        """The same through a pipe, which stays while the other side has not taken everything."""
        source, sink = self._sides[side], self._sides[1 - side]
        moved = 0
        try:
            for _ in range(_TURN):
                count = pipe.take(source)
                if not count:
                    self._end(side)
                    break
                moved += count
                pipe.give(sink)
                if pipe:
                    break
        except BlockingIOError:
            pass  # all there is
        finally:
            self._much[side] = moved >= _LARGE
            if pipe:
                self._pending[1 - side] = pipe
            else:
                self._pipes.give_back(pipe)

    def _end(self, side: int) -> None:
        self._ended[side] = True
        if not self._ended[1 - side]:  # else both are closed
            self._sides[1 - side].shutdown(socket.SHUT_WR)

    def _flush(self, side: int) -> None:
        waiting = self._pending[side]
        if isinstance(waiting, Pipe):
            waiting.give(self._sides[side])
            if not waiting:
                self._pending[side] = b""
                self._pipes.give_back(waiting)
            return
        try:
            sent = self._sides[side].send(waiting)
        except BlockingIOError:
            return
        self._pending[side] = waiting[sent:]

    def cut(self) -> None:
        """End both sides with a reset."""
        for own in self._sides:
            self._loop.forget(own.fileno())
            abort(own)
        for waiting in self._pending:
            if isinstance(waiting, Pipe):
                self._pipes.give_back(waiting)
        self._closed(self)

    def _finish(self) -> None:
        for own in self._sides:
            self._loop.forget(own.fileno())
            own.close()
        self._closed(self)


def abort(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
    connection.close()
