"""The resolver at 127.0.0.11 of one container, driven by its shim's poll loop (so it outlives the engine).

                      known name → answered from zone files
    container ──query──┤
      udp, tcp         └ unknown → upstream servers (dnsupstream.py)

    server = DnsServer(udp, tcp_listener, resolver_json)     # sockets bound in the container's network namespace
    server.register(poller)                                   # one fd: the server keeps an epoll of its own
    if server.handles(fd): server.handle(fd, events)
    timeout from server.next_deadline(); then server.expire(time.monotonic())

Nothing blocks; memory is bounded by MAX_FORWARDS and MAX_CLIENTS. No cache (upstream has one) and no search list (the
client applies it).
"""

from __future__ import annotations

import select
import time
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from . import dnsmessage
from .dnsmessage import Answer, MalformedError, Query
from .dnsupstream import Upstream
from .dnszone import Names

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

TTL = 600
"""Seconds, as Docker answers. Stub resolvers do not cache; a caching client sees a moved container this much later."""
MAX_CLIENTS = 32
MAX_QUERY = 4096
CLIENT_TIMEOUT = 10.0
_MAX_UNSENT = 1 << 17
_BURST = 64


class Poller(Protocol):
    """What select.poll and select.epoll have in common."""

    def register(self, fd: int, eventmask: int, /) -> None: ...


class _Client:
    """A TCP connection from the container."""

    __slots__ = ("closed", "deadline", "received", "socket", "unsent")

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self.socket = connection
        self.deadline = deadline
        self.received = bytearray()
        self.unsent = bytearray()
        self.closed = False


class DnsServer:
    """Serves one container. ``udp`` and ``tcp_listener`` are bound (the second listens) and become the server's."""

    def __init__(self, udp: socket.socket, tcp_listener: socket.socket, config_path: str) -> None:
        self._udp = udp
        self._listener = tcp_listener
        self._names = Names(config_path)
        self._turn = 0
        # In the order of their deadlines: an entry is put in anew whenever its own changes.
        self._clients: dict[int, _Client] = {}
        self._epoll = select.epoll()
        self._upstream = Upstream(self._epoll)
        for sock in (udp, tcp_listener):
            sock.setblocking(False)
            self._epoll.register(sock.fileno(), select.EPOLLIN)

    def fileno(self) -> int:
        """The one fd to poll for reading."""
        return self._epoll.fileno()

    def register(self, poller: Poller) -> None:
        poller.register(self._epoll.fileno(), select.POLLIN)

    def handles(self, fd: int) -> bool:
        return fd == self._epoll.fileno()

    def handle(self, fd: int = -1, events: int = 0) -> None:
        """Do what can be done now. Never blocks and raises nothing for what comes from the network."""
        for ready, event in self._epoll.poll(0, _BURST):
            if ready == self._udp.fileno():
                self._receive_udp()
            elif ready == self._listener.fileno():
                self._accept()
            elif client := self._clients.get(ready):
                self._serve_client(client, event)
            else:
                self._upstream.handle(ready)

    def next_deadline(self) -> float | None:
        """When (time.monotonic) :meth:`expire` has something to do; None: nothing is pending."""
        first = [client.deadline for client in islice(self._clients.values(), 1)]
        forwarded = self._upstream.next_deadline()
        return min(first if forwarded is None else [*first, forwarded], default=None)

    def expire(self, now: float) -> None:
        """Give up on attempts and connections whose time is over."""
        self._upstream.expire(now)
        for client in list(self._clients.values()):
            if client.deadline > now:
                break
            self._drop_client(client)

    def close(self) -> None:
        self._upstream.close()
        for client in self._clients.values():
            client.closed = True
            client.socket.close()
        self._clients.clear()
        self._udp.close()
        self._listener.close()
        self._epoll.close()

    # Queries

    def _receive_udp(self) -> None:
        for _ in range(_BURST):
            try:
                packet, address = self._udp.recvfrom(MAX_QUERY + 1)
            except BlockingIOError:
                return
            except OSError:
                # An ICMP error for an earlier reply: that client is gone.
                continue
            self._serve(packet, partial(self._send_udp, address), by_tcp=False)

    def _send_udp(self, address: tuple[str, int], packet: bytes) -> None:
        try:
            self._udp.sendto(packet, address)
        except OSError:
            # Its buffer is full or the client is gone: a lost datagram, as UDP has it.
            return

    def _serve(self, packet: bytes, respond: Callable[[bytes], None], by_tcp: bool) -> None:
        try:
            if len(packet) > MAX_QUERY:
                raise MalformedError("too long for a query")
            query = dnsmessage.parse_query(packet)
        except MalformedError:
            if reply := dnsmessage.malformed_reply(packet):
                respond(reply)
            return
        if query.opcode:
            respond(dnsmessage.reply(query, dnsmessage.NOTIMP))
            return
        if query.klass not in (dnsmessage.IN, dnsmessage.ANY):
            respond(dnsmessage.reply(query, dnsmessage.REFUSED))
            return
        self._names.refresh()
        answers = self._local(query)
        if answers is not None:
            limit = 65535 if by_tcp else min(query.udp_size, dnsmessage.LARGEST_UDP)
            respond(dnsmessage.reply(query, dnsmessage.NOERROR, answers, TTL, limit))
        else:
            self._forward(query, packet, respond, by_tcp)

    def _local(self, query: Query) -> list[Answer] | None:
        """Answers we know (perhaps none of the type asked), None when the name is not ours."""
        if query.name is None:
            return None
        if query.kind == dnsmessage.PTR:
            address = dnsmessage.reverse_address(query.name)
            name = self._names.find_reverse(address) if address else None
            wire = dnsmessage.encode_name(name) if name else None
            return [Answer(dnsmessage.PTR, wire)] if wire else None
        found = self._names.find(query.name)
        if found is None:
            return None
        # The name exists: any other type, or AAAA of an IPv4-only name, is "no data" and not "no such name".
        answers = []
        if query.kind in (dnsmessage.A, dnsmessage.ANY):
            answers += [Answer(dnsmessage.A, address) for address in self._in_turn(found.v4)]
        if query.kind in (dnsmessage.AAAA, dnsmessage.ANY):
            answers += [Answer(dnsmessage.AAAA, address) for address in self._in_turn(found.v6)]
        return answers

    def _in_turn(self, addresses: tuple[bytes, ...]) -> tuple[bytes, ...]:
        if len(addresses) < 2:
            return addresses
        self._turn += 1
        first = self._turn % len(addresses)
        return addresses[first:] + addresses[:first]

    def _forward(self, query: Query, packet: bytes, respond: Callable[[bytes], None], by_tcp: bool) -> None:
        single = query.name is not None and "." not in query.name
        servers = self._names.servers
        if single and (not servers or self._names.ndots):
            respond(dnsmessage.reply(query, dnsmessage.NXDOMAIN))
            return
        self._upstream.ask(servers, query, packet, respond, by_tcp)

    # TCP clients

    def _accept(self) -> None:
        for _ in range(_BURST):
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if len(self._clients) >= MAX_CLIENTS:
                connection.close()
                continue
            connection.setblocking(False)
            client = _Client(connection, time.monotonic() + CLIENT_TIMEOUT)
            self._clients[connection.fileno()] = client
            self._epoll.register(connection.fileno(), select.EPOLLIN)

    def _serve_client(self, client: _Client, event: int) -> None:
        if event & select.EPOLLOUT:
            self._flush_client(client)
        if not event & ~select.EPOLLOUT or client.closed:
            return
        try:
            data = client.socket.recv(MAX_QUERY)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop_client(client)
            return
        client.received += data
        self._touch(client)
        while len(client.received) >= 2 and not client.closed:
            length = int.from_bytes(client.received[:2], "big")
            if length > MAX_QUERY:
                self._drop_client(client)
                return
            if len(client.received) < 2 + length:
                return
            packet = bytes(client.received[2 : 2 + length])
            del client.received[: 2 + length]
            self._serve(packet, partial(self._send_client, client), by_tcp=True)

    def _send_client(self, client: _Client, packet: bytes) -> None:
        if client.closed:
            return
        client.unsent += len(packet).to_bytes(2, "big") + packet
        self._touch(client)
        self._flush_client(client)

    def _flush_client(self, client: _Client) -> None:
        try:
            while client.unsent:
                del client.unsent[: client.socket.send(client.unsent)]
        except BlockingIOError:
            if len(client.unsent) > _MAX_UNSENT:
                # It asks and asks and does not read.
                self._drop_client(client)
                return
        except OSError:
            self._drop_client(client)
            return
        self._epoll.modify(client.socket.fileno(), select.EPOLLIN | (select.EPOLLOUT if client.unsent else 0))

    def _touch(self, client: _Client) -> None:
        client.deadline = time.monotonic() + CLIENT_TIMEOUT
        fd = client.socket.fileno()
        self._clients[fd] = self._clients.pop(fd)

    def _drop_client(self, client: _Client) -> None:
        if not client.closed:
            client.closed = True
            del self._clients[client.socket.fileno()]
            client.socket.close()
