"""What a container's program has sent to its sd_notify socket (notified.py makes it)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

_DATAGRAM = 4096
_AT_ONCE = 64
"""Datagrams that are read in one go: whoever sends without end must not keep the loop."""
_PAUSE = 0.25
"""Seconds between two goes: a program that sends without end must not keep the engine busy either. Others wait for READY=1 that
long at worst, after something else was sent."""
_STATUS_LENGTH = 200


class Inbox:
    """What has been told so far; ``status`` is the last STATUS= line."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._next = 0.0
        self.status = ""
        self.closed = False

    def take(self) -> bool:
        """Read what is there: whether READY=1 is among it."""
        ready = False
        for _ in range(_AT_ONCE):
            try:
                data = self._connection.recv(_DATAGRAM)
            except BlockingIOError:
                break
            for line in data.split(b"\n"):
                name, _, value = line.partition(b"=")
                ready = ready or (name == b"READY" and value.strip() == b"1")
                if name == b"STATUS":
                    self.status = value.decode(errors="replace")[:_STATUS_LENGTH]
        return ready

    def forget(self) -> None:
        """Drop what an earlier run has told. The kernel queues fewer datagrams than are read at once (net.unix.max_dgram_qlen),
        and who shares the namespace may send without end: what comes from now on is no earlier run's."""
        self.take()
        self.status = ""

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
