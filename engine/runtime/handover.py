"""What the rules of the engine's own network namespace and the uplink behind them (uplink.py) agree on."""

from __future__ import annotations

import contextlib
import socket

from ..linux import userns

MARK = 0x70630001
"""Of packets that go to the uplink; shims set it on sockets that are to lead out."""
OUTSIDE, HOST = 61081, 61082
"""Where what is for the world, and what is for the host itself, is handed over."""
TABLE = 100
"""The routing table in which every address is local."""


_IP_TRANSPARENT, _IPV6_TRANSPARENT = 19, 75


def transparent(family: socket.AddressFamily, kind: socket.SocketKind) -> socket.socket:
    """A socket, non-blocking, that may have an address of somebody else. Raises OSError without CAP_NET_ADMIN."""
    one = socket.socket(family, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.setsockopt(socket.IPPROTO_IPV6, _IPV6_TRANSPARENT, 1)
    else:
        one.setsockopt(socket.IPPROTO_IP, _IP_TRANSPARENT, 1)
    return one


def lead_out(connection: socket.socket) -> None:
    """Have a socket of a shim reach the host's network; in the host's own there is nothing to do."""
    if not userns.is_initial():
        with contextlib.suppress(PermissionError):  # a socket of the host's network already
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, MARK)
