"""Questions on their way through the upstream servers of one container's resolver: the half of dns.py that asks others.

Servers are asked in order, those that were silent lately last: a fresh socket (fresh source port) and identifier for every
attempt; by UDP, and by TCP when that answer is truncated and the client used TCP. Upstream sockets are made by the shim's
process, so they are in the host's network namespace. Nothing blocks; memory is bounded by MAX_FORWARDS.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from itertools import islice
from typing import TYPE_CHECKING

from . import dnsmessage, handover

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .dnsmessage import Query

MAX_FORWARDS = 256
"""Queries waiting for upstream; further ones get SERVFAIL at once. Each costs a socket and up to MAX_QUERY bytes."""
ATTEMPTS = 3
ATTEMPT_TIMEOUT = 1.5
"""Seconds; three attempts end before the 5 s after which a client asks again."""
PENALTY = 30.0
"""Seconds for which a server that did not answer is asked last."""


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


class Upstream:
    """The forwards under way. Their sockets are polled by ``epoll``, the server's own."""

    def __init__(self, epoll: select.epoll) -> None:
        self._epoll = epoll
        self._slow: dict[str, float] = {}
        # In the order of their deadlines: an entry is put in anew whenever its own changes.
        self._forwards: dict[int, _Forward] = {}

    def ask(
        self,
        servers: Sequence[str],
        query: Query,
        packet: bytes,
        respond: Callable[[bytes], None],
        client_by_tcp: bool,
    ) -> None:
        """Put ``packet`` to ``servers``; ``respond`` gets the answer, or SERVFAIL when there is none."""
        if not servers or len(self._forwards) >= MAX_FORWARDS:
            respond(dnsmessage.reply(query, dnsmessage.SERVFAIL))
            return
        now = time.monotonic()
        order = sorted(servers, key=lambda server: self._slow.get(server, 0.0) > now)[:ATTEMPTS]
        # A datagram may be lost: with fewer servers than attempts they are asked again.
        attempts = (order * ATTEMPTS)[:ATTEMPTS]
        self._attempt_next(_Forward(query, packet, respond, client_by_tcp, attempts))

    def handle(self, fd: int) -> None:
        """Something came on ``fd``, or it failed; a descriptor that is nobody's any more is passed over."""
        if forward := self._forwards.get(fd):
            self._receive(forward)

    def next_deadline(self) -> float | None:
        """When (time.monotonic) :meth:`expire` has something to do."""
        return next((forward.deadline for forward in islice(self._forwards.values(), 1)), None)

    def expire(self, now: float) -> None:
        """Give up on attempts whose time is over."""
        for forward in list(self._forwards.values()):
            if forward.deadline > now:
                break
            self._slow[forward.server] = now + PENALTY
            self._attempt_next(forward)

    def close(self) -> None:
        for forward in self._forwards.values():
            if forward.socket:
                forward.socket.close()
        self._forwards.clear()

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
            handover.lead_out(sock)
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

    def _receive(self, forward: _Forward) -> None:
        assert forward.socket
        try:
            packet = self._stream(forward) if forward.by_tcp else forward.socket.recv(65535)
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

    def _stream(self, forward: _Forward) -> bytes | None:
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
