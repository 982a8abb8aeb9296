"""TCP connections that are under way in a container's network namespace, and word of those that end (sock_diag(7)).

The kernel lists by state, so that the thousands of connections that are over and merely remembered (TIME_WAIT) cost nothing.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

from .inside import inside
from .netlink import Netlink

if TYPE_CHECKING:
    from collections.abc import Collection

_NETLINK_SOCK_DIAG = 4
_BY_FAMILY = 20
_DESTROYED = 1 << 0 | 1 << 2  # multicast groups INET_TCP_DESTROY and INET6_TCP_DESTROY, as a mask
_ESTABLISHED, _SYN_RECV, _FIN_WAIT1, _CLOSE_WAIT, _LAST_ACK, _CLOSING = 1, 3, 4, 8, 9, 11
_UNDER_WAY = sum(1 << state for state in (_ESTABLISHED, _SYN_RECV, _FIN_WAIT1, _CLOSE_WAIT, _LAST_ACK, _CLOSING))
"""States in which either side may still have something to say that the other has not got."""


class Connections:
    """Of one namespace, as long as it is not closed."""

    def __init__(self, netns_fd: int) -> None:
        """``netns_fd`` stays the caller's. Raises OSError."""
        self._asking, self._ended = inside(netns_fd, _open)

    def close(self) -> None:
        self._asking.close()
        self._ended.close()

    def fileno(self) -> int:
        """A descriptor that is readable after a connection has ended; `under_way` empties it."""
        return self._ended.fileno()

    def under_way(self, ports: Collection[int]) -> int:
        """How many connections to one of the local ``ports`` there are."""
        self._drain()
        found = 0
        for family in (socket.AF_INET, socket.AF_INET6):
            request = struct.pack("=BBBxI48x", family, socket.IPPROTO_TCP, 0, _UNDER_WAY)
            for answer in self._asking.dump("list connections", _BY_FAMILY, request):
                (port,) = struct.unpack_from("!H", answer, 4)
                found += port in ports
        return found

    def _drain(self) -> None:
        while True:
            try:
                self._ended.recv(1 << 16)
            except BlockingIOError:
                return
            except OSError:
                continue  # the queue ran over: all that counts is that something has ended


def _open() -> tuple[Netlink, socket.socket]:
    ended = socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, _NETLINK_SOCK_DIAG
    )
    try:
        ended.bind((0, _DESTROYED))
        return Netlink(_NETLINK_SOCK_DIAG), ended
    except BaseException:
        ended.close()
        raise
