"""The way out of an engine without root: one process with sockets in two network namespaces, and no device between them.

    the engine's own network namespace                      │ the host's
    container ──► bridge ──► handed over (tproxy) ──► accept ─┼─► connect to where the container wanted to go
    shim (names, syslog), its sockets marked ──► the same ──► │
    UDP: one socket here for each destination ◄───────────────┼─► one socket there for each client and destination

What is for an address of the bridges themselves is meant for the host, and goes to the address that the host has. Forked
by the keeper and forked again when it ends: it holds nothing but connections. It goes on without a keeper, as shims do, until the last
of them has gone (outlet.py).

Sockets belong to the namespace of the thread that makes them. The main thread stays in the host's, nobody may go back there;
a second one enters the other and makes sockets when it is told to.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

from ..linux import namespace, process
from . import room
from .datagrams import Flow, Flows
from .handover import HOST, OUTSIDE, transparent
from .loop import Loop
from .pipes import Pipes
from .relay import Connection, abort

if TYPE_CHECKING:
    from collections.abc import Callable

    Address = tuple[str, int]

MAX_CONNECTIONS = 4096
_BACKLOG = 512
_BURST = 64
_IP_RECVORIGDSTADDR, _IPV6_RECVORIGDSTADDR = 20, 74
_ANYWHERE = {socket.AF_INET: ("192.0.2.1", 9), socket.AF_INET6: ("2001:db8::1", 9)}
_IPV4_ADDRESS, _IPV6_ADDRESS = struct.Struct("!2xH4s"), struct.Struct("!2xH4x16s")


def main(inner: int, lifeline: int) -> None:
    """Serve until killed, or until nobody is left to be served. ``inner`` is a handle on the engine's network namespace,
    ``lifeline`` the reading end of what keeper and shims hold."""
    os.setsid()
    process.reset_signals()
    room.make()
    loop = Loop()
    Uplink(loop, inner)
    loop.watch(lifeline, lambda _: loop.stop(), 0)
    process.set_title("pycompose-uplink")
    loop.run()


class Uplink:
    """Listeners inside, connections outside. Raises OSError where it cannot listen."""

    def __init__(self, loop: Loop, inner: int) -> None:
        self._loop = loop
        self._connections: set[Connection] = set()
        self._pipes = Pipes(loop)
        self._resident = ThreadPoolExecutor(1, "inner", lambda: namespace.setns(inner, namespace.CLONE_NEWNET))
        self._replies: dict[tuple[int, Address], socket.socket] = {}
        self._flows = Flows(loop)
        self._most = room.connections(MAX_CONNECTIONS)
        for family in (socket.AF_INET, socket.AF_INET6):
            for port in (OUTSIDE, HOST):
                self._listen(family, port)

    def _listen(self, family: socket.AddressFamily, port: int) -> None:
        try:
            stream, datagram = self._resident.submit(_listeners, family, port).result()
        except OSError as error:
            if family == socket.AF_INET6 and error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                return  # a host without IPv6
            raise
        target = _itself if port == OUTSIDE else _of_the_host
        self._loop.watch(stream.fileno(), lambda _: self._accept(stream, target))
        self._loop.watch(datagram.fileno(), lambda _: self._receive(datagram, target))

    def _accept(self, listener: socket.socket, target: Callable[[str], str]) -> None:
        for _ in range(_BURST):
            try:
                client, _ = listener.accept()
            except OSError:
                return  # nobody waits any more, or the client is gone already
            self._continue(client, target)

    def _continue(self, client: socket.socket, target: Callable[[str], str]) -> None:
        wanted = client.getsockname()
        address = target(wanted[0])
        if not address or len(self._connections) >= self._most:
            abort(client)
            return
        try:
            server = socket.socket(client.family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
            code = server.connect_ex((address, wanted[1]))
        except OSError:
            abort(client)
            return
        if code not in (0, errno.EINPROGRESS):
            server.close()
            abort(client)
            return
        client.setblocking(False)
        self._connections.add(Connection(self._loop, self._pipes, client, server, self._connections.discard))

    def _receive(self, listener: socket.socket, target: Callable[[str], str]) -> None:
        for _ in range(_BURST):
            try:
                data, ancillary, _, client = listener.recvmsg(65535, 128)
            except OSError:
                return
            wanted = _original(ancillary)
            if wanted is None or ip_address(wanted[0]).is_multicast:
                continue
            flow = self._flows.get((listener.fileno(), client, wanted)) or self._open(listener, client, wanted, target)
            if flow is not None:
                flow.send(data)

    def _open(
        self, listener: socket.socket, client: Address, wanted: Address, target: Callable[[str], str]
    ) -> Flow | None:
        address = target(wanted[0])
        if not address:
            return None
        try:
            back = self._replying(listener.family, wanted)
            outside = socket.socket(listener.family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
            outside.connect((address, wanted[1]))
        except OSError:
            return None
        return self._flows.add((listener.fileno(), client, wanted), outside, lambda data: back.sendto(data, client))

    def _replying(self, family: socket.AddressFamily, wanted: Address) -> socket.socket:
        """A socket inside with the address of somebody outside."""
        found = self._replies.get((family, wanted))
        if found is None:
            if len(self._replies) >= self._flows.most:
                self._replies.pop(next(iter(self._replies))).close()
            found = self._resident.submit(_foreign, family, wanted).result()
            self._replies[family, wanted] = found
        return found


def _listeners(family: socket.AddressFamily, port: int) -> tuple[socket.socket, socket.socket]:
    made = []
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        one = transparent(family, kind)
        one.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", port))
        made.append(one)
    made[0].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made[0].listen(_BACKLOG)
    if family == socket.AF_INET6:
        made[1].setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVORIGDSTADDR, 1)
    else:
        made[1].setsockopt(socket.IPPROTO_IP, _IP_RECVORIGDSTADDR, 1)
    return made[0], made[1]


def _foreign(family: socket.AddressFamily, address: Address) -> socket.socket:
    one = transparent(family, socket.SOCK_DGRAM)
    try:
        one.bind(address)
    except OSError:
        one.close()
        raise
    return one


def _original(ancillary: list[tuple[int, int, bytes]]) -> Address | None:
    """Where a datagram was sent to."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.IPPROTO_IP, _IP_RECVORIGDSTADDR):
            port, packed = _IPV4_ADDRESS.unpack_from(data)
            return socket.inet_ntop(socket.AF_INET, packed), port
        if (level, kind) == (socket.IPPROTO_IPV6, _IPV6_RECVORIGDSTADDR):
            port, packed = _IPV6_ADDRESS.unpack_from(data)
            return socket.inet_ntop(socket.AF_INET6, packed), port
    return None


def _itself(address: str) -> str:
    """The address; empty for IPv4's by IPv6 ([::ffff:127.0.0.1]): rules see them as addresses of other hosts, while a socket
    would reach the host's loopback by them, and a container makes packets with any address. Plain loopback addresses have
    come from shims, whose resolver may be one."""
    wanted = ip_address(address)
    return "" if isinstance(wanted, IPv6Address) and (wanted.ipv4_mapped or wanted.is_unspecified) else address


def _of_the_host(address: str) -> str:
    """The address by which the host is known to others, of the same version; empty without one."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as probe:
        try:
            probe.connect(_ANYWHERE[family])  # sends nothing
        except OSError:
            return ""
        return str(probe.getsockname()[0])
