"""What a container's program has sent to its sd_notify socket (notified.py makes it)."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_DATAGRAM = 4096
_AT_ONCE = 64
"""Datagrams that are read in one go: whoever sends without end must not keep the loop."""
_PAUSE = 0.25
"""Seconds between two goes: a program that sends without end must not keep the engine busy either. Others wait for READY=1 that
long at worst, after something else was sent."""
_STATUS_LENGTH = 200
_CREDENTIALS = struct.Struct("=3i")
"""struct ucred: pid, uid, gid, as the kernel tells them of who sends."""


class Inbox:
    """What has been told so far; ``status`` is the last STATUS= line.

    ``doubt`` says why the process with a pid is not to be believed, "" for one that is; ``doubted`` is why READY=1 was not, the
    last time."""

    def __init__(self, connection: socket.socket, doubt: Callable[[int], str]) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._connection = connection
        self._doubt = doubt
        self._next = 0.0
        self.status = self.doubted = ""
        self.closed = False

    def take(self) -> bool:
        """Read what is there: whether READY=1 is among it."""
        ready = False
        for _ in range(_AT_ONCE):
            try:
                # What else comes along (descriptors) finds no room, and is closed.
                data, told, _, _ = self._connection.recvmsg(_DATAGRAM, socket.CMSG_SPACE(_CREDENTIALS.size))
            except BlockingIOError:
                break
            lines = [line.partition(b"=") for line in data.split(b"\n")]
            now = any(name == b"READY" and value.strip() == b"1" for name, _, value in lines)
            doubt = self._doubt(_sender(told))
            if doubt:
                self.doubted = doubt if now else self.doubted
                continue
            ready = ready or now
            for name, _, value in lines:
                if name == b"STATUS":
                    self.status = value.decode(errors="replace")[:_STATUS_LENGTH]
        return ready

    def forget(self) -> None:
        """Drop what an earlier run has told. The kernel queues fewer datagrams than are read at once (net.unix.max_dgram_qlen),
        and who shares the namespace may send without end: what comes from now on is no earlier run's."""
        self.take()
        self.status = self.doubted = ""

    async def more_or(self, over: Callable[[], Awaitable[None]]) -> None:
        """Wait until something was sent or ``over`` returns; never sooner than `_PAUSE` after the last time."""

        async def until_over() -> None:
            await over()
            group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(until_over)
            await anyio.sleep_until(self._next)
            with suppress(anyio.ClosedResourceError):
                await anyio.wait_readable(self._connection)
            self._next = anyio.current_time() + _PAUSE
            group.cancel_scope.cancel()

    def close(self) -> None:
        self.closed = True
        anyio.notify_closing(self._connection)
        self._connection.close()


def _sender(told: list[tuple[int, int, bytes]]) -> int:
    """The pid in the kernel's word about a datagram; 0 without one."""
    for level, kind, data in told:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS) and len(data) == _CREDENTIALS.size:
            return int(_CREDENTIALS.unpack(data)[0])
    return 0
