"""The resolver at 127.0.0.11 of one container, driven by its shim's poll loop (so it outlives the engine).

                      known name → answered from zone files
    container ──query──┤
      udp, tcp         └ unknown → upstream servers, in order: a fresh socket (fresh source port) and identifier for
                                   every attempt; udp, and tcp when that answer is truncated and the client used tcp

    server = DnsServer(udp, tcp_listener, resolver_json)     # sockets bound in the container's network namespace
    server.register(poller)                                   # one fd: the server keeps an epoll of its own
    if server.handles(fd): server.handle(fd, events)
    timeout from server.next_deadline(); then server.expire(time.monotonic())

Upstream sockets are made by this process, so they are in the host's network namespace. Nothing blocks; memory is
bounded by MAX_FORWARDS and MAX_CLIENTS. No cache (upstream has one) and no search list (the client applies it).
"""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from . import dnsmessage
from .dnsmessage import Answer, MalformedError, Query
from .dnszone import Names

if TYPE_CHECKING:
    from collections.abc import Callable

TTL = 600
"""Seconds, as Docker answers. Stub resolvers do not cache; a caching client sees a moved container this much later."""
MAX_FORWARDS = 256
"""Queries waiting for upstream; further ones get SERVFAIL at once. Each costs a socket and up to MAX_QUERY bytes."""
MAX_CLIENTS = 32
MAX_QUERY = 4096
ATTEMPTS = 3
ATTEMPT_TIMEOUT = 1.5
"""Seconds; three attempts end before the 5 s after which a client asks again."""
CLIENT_TIMEOUT = 10.0
PENALTY = 30.0
"""Seconds for which a server that did not answer is asked last."""
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


class _Forward:
    """A query on its way through the upstream servers; ``socket`` is the current attempt's."""

    __slots__ = (
        "attempts",
        "by_tcp",
        "client_by_tcp",
        "deadline",
        "failure",
        "identifier",
        "packet",
        "query",
        "received",
        "respond",
        "server",
        "socket",
        "unsent",
    )

    def __init__(
        self, query: Query, packet: bytes, respond: Callable[[bytes], None], client_by_tcp: bool, attempts: list[str]
    ) -> None:
        self.client_by_tcp = client_by_tcp
        self.query = query
        self.packet = packet
        self.respond = respond
        self.attempts = attempts
        self.failure: bytes | None = None
        self.socket: socket.socket | None = None
        self.server = ""
        self.identifier = 0
        self.deadline = 0.0
        self.by_tcp = False
        self.received = bytearray()
        self.unsent = b""


class DnsServer:
    """Serves one container. ``udp`` and ``tcp_listener`` are bound (the second listens) and become the server's."""

    def __init__(self, udp: socket.socket, tcp_listener: socket.socket, config_path: str) -> None:
        self._udp = udp
        self._listener = tcp_listener
        self._names = Names(config_path)
        self._turn = 0
        self._slow: dict[str, float] = {}
        # Both are in the order of their deadlines: entries are put in anew whenever theirs changes.
        self._forwards: dict[int, _Forward] = {}
        self._clients: dict[int, _Client] = {}
        self._epoll = select.epoll()
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
            elif forward := self._forwards.get(ready):
                self._receive_upstream(forward)

    def next_deadline(self) -> float | None:
        """When (time.monotonic) :meth:`expire` has something to do; None: nothing is pending."""
        first = [forward.deadline for forward in islice(self._forwards.values(), 1)]
        first += [client.deadline for client in islice(self._clients.values(), 1)]
        return min(first, default=None)

    def expire(self, now: float) -> None:
        """Give up on attempts and connections whose time is over."""
        for forward in list(self._forwards.values()):
            if forward.deadline > now:
                break
            self._slow[forward.server] = now + PENALTY
            self._attempt_next(forward)
        for client in list(self._clients.values()):
            if client.deadline > now:
                break
            self._drop_client(client)

    def close(self) -> None:
        for forward in self._forwards.values():
            if forward.socket:
                forward.socket.close()
        for client in self._clients.values():
            client.closed = True
            client.socket.close()
        self._forwards.clear()
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

    # Upstream

    def _forward(self, query: Query, packet: bytes, respond: Callable[[bytes], None], by_tcp: bool) -> None:
        single = query.name is not None and "." not in query.name
        servers = self._names.servers
        if single and (not servers or self._names.ndots):
            respond(dnsmessage.reply(query, dnsmessage.NXDOMAIN))
            return
        if not servers or len(self._forwards) >= MAX_FORWARDS:
            respond(dnsmessage.reply(query, dnsmessage.SERVFAIL))
            return
        now = time.monotonic()
        order = sorted(servers, key=lambda server: self._slow.get(server, 0.0) > now)[:ATTEMPTS]
        # A datagram may be lost: with fewer servers than attempts they are asked again.
        attempts = (order * ATTEMPTS)[:ATTEMPTS]
        self._attempt_next(_Forward(query, packet, respond, by_tcp, attempts))

    def _finish(self, forward: _Forward, packet: bytes) -> None:
        query = forward.query
        if not forward.client_by_tcp and len(packet) > query.udp_size:
            packet = dnsmessage.truncate(packet, query.question)
        forward.respond(dnsmessage.with_identifier(packet, query.identifier))

    def _attempt_next(self, forward: _Forward) -> None:
        """Drop the current attempt and ask the next server; answer the client when none is left."""
        self._end_attempt(forward)
        while forward.attempts:
            forward.server = forward.attempts.pop(0)
            if self._attempt(forward, by_tcp=False):
                return
        self._finish(forward, forward.failure or dnsmessage.reply(forward.query, dnsmessage.SERVFAIL))

    def _attempt(self, forward: _Forward, by_tcp: bool) -> bool:
        """Begin to ask ``forward.server``. False when that fails at once."""
        target = _server_address(forward.server)
        if target is None:
            return False
        family, address = target
        sock = None
        try:
            kind = socket.SOCK_STREAM if by_tcp else socket.SOCK_DGRAM
            sock = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            # Connected: the kernel then takes datagrams from this server's address only, and reports its ICMP errors.
            code = sock.connect_ex(address)
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, os.strerror(code))
            forward.identifier = int.from_bytes(os.urandom(2), "big")
            packet = dnsmessage.with_identifier(forward.packet, forward.identifier)
            if by_tcp:
                forward.unsent = len(packet).to_bytes(2, "big") + packet
            else:
                sock.send(packet)
        except OSError:
            if sock:
                sock.close()
            return False
        forward.socket = sock
        forward.by_tcp = by_tcp
        forward.received.clear()
        forward.deadline = time.monotonic() + ATTEMPT_TIMEOUT
        self._forwards[sock.fileno()] = forward
        self._epoll.register(sock.fileno(), select.EPOLLOUT if by_tcp else select.EPOLLIN)
        return True

    def _end_attempt(self, forward: _Forward) -> None:
        if forward.socket:
            # Closing takes it out of the epoll, as nobody has a copy of the fd.
            del self._forwards[forward.socket.fileno()]
            forward.socket.close()
            forward.socket = None

    def _receive_upstream(self, forward: _Forward) -> None:
        assert forward.socket
        try:
            packet = self._stream_upstream(forward) if forward.by_tcp else forward.socket.recv(65535)
        except BlockingIOError:
            return
        except OSError:
            self._attempt_next(forward)
            return
        if packet is None:
            return
        if not dnsmessage.answers_query(packet, forward.identifier, forward.query.question):
            if forward.by_tcp:
                self._attempt_next(forward)
            # By UDP it may be a forgery that tries to be first: the true answer may still come.
            return
        if dnsmessage.truncated(packet) and forward.client_by_tcp and not forward.by_tcp:
            # A client that asked by UDP gets the truncated answer: it may come back by TCP.
            self._end_attempt(forward)
            if not self._attempt(forward, by_tcp=True):
                self._attempt_next(forward)
            return
        if dnsmessage.code(packet) in (dnsmessage.SERVFAIL, dnsmessage.REFUSED, dnsmessage.NOTIMP):
            # Another server may do better; if none does, the client gets to see this.
            forward.failure = packet
            self._attempt_next(forward)
            return
        self._slow.pop(forward.server, None)
        self._end_attempt(forward)
        self._finish(forward, packet)

    def _stream_upstream(self, forward: _Forward) -> bytes | None:
        """Send what is left of the question, then collect the answer; None while it is not complete."""
        assert forward.socket
        if forward.unsent:
            sent = forward.socket.send(forward.unsent)
            forward.unsent = forward.unsent[sent:]
            if not forward.unsent:
                self._epoll.modify(forward.socket.fileno(), select.EPOLLIN)
            return None
        data = forward.socket.recv(65537)
        if not data:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        forward.received += data
        length = int.from_bytes(forward.received[:2], "big")
        return bytes(forward.received[2 : 2 + length]) if len(forward.received) >= 2 + length >= 2 else None

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


def _server_address(server: str) -> tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]] | None:
    """``address``, ``address%interface`` or ``address#port`` as what connect takes; None when it is no address."""
    host, _, port_text = server.partition("#")
    host, _, interface = host.partition("%")
    packed = dnsmessage.pack_address(host)
    port = int(port_text) if port_text.isascii() and port_text.isdigit() else 53
    if packed is None or not 0 < port < 65536:
        return None
    if len(packed) == 4:
        return socket.AF_INET, (host, port)
    try:
        scope = socket.if_nametoindex(interface) if interface else 0
    except OSError:
        return None
    return socket.AF_INET6, (host, port, 0, scope)
