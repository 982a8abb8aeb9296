"""A connected stream socket as the server uses it: receive, send, half-close, and noticing that the peer has gone.

Not an HTTP thing: http.py builds on this, and a hijacked stream is exactly this. One task reads and one writes at a time.
"""

from __future__ import annotations

import fcntl
import select
import socket
import sys
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from ..errors import ClientGone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CHUNK = 65536
TURN = 1 << 18
"""Bytes after which a connection that never has to wait lets others have the loop."""
_SIOCOUTQ = 0x5411


def _unread(sock: socket.socket) -> int:
    return int.from_bytes(fcntl.ioctl(sock, _SIOCOUTQ, bytes(4)), sys.byteorder)


class Wire:
    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._pending = b""
        self._moved = 0

    def unread(self, data: bytes) -> None:
        """Put bytes back that were read too far; the next ``receive`` gives them first."""
        self._pending = data + self._pending

    async def receive(self, limit: int = CHUNK) -> bytes:
        """The next bytes, b"" at the end of the peer's stream. Raises ClientGone."""
        if self._pending:
            data, self._pending = self._pending[:limit], self._pending[limit:]
            return data
        await self._take_turns()
        while True:
            try:
                data = self._socket.recv(limit)
                self._moved += len(data)
                return data
            except BlockingIOError:
                self._moved = 0
                await anyio.wait_readable(self._socket)
            except OSError as error:
                raise ClientGone(str(error)) from None

    async def _take_turns(self) -> None:
        if self._moved >= TURN:
            self._moved = 0
            await anyio.lowlevel.checkpoint()

    async def send(self, data: bytes) -> None:
        """Send everything. Raises ClientGone."""
        view = memoryview(data)
        while view:
            await self._take_turns()
            try:
                sent = self._socket.send(view[:TURN])
                self._moved += sent
            except BlockingIOError:
                self._moved = 0
                try:
                    await anyio.wait_writable(self._socket)
                except OSError as error:
                    raise ClientGone(str(error)) from None
                continue
            except OSError as error:
                raise ClientGone(str(error)) from None
            view = view[sent:]

    async def consumed(self, patience: float) -> None:
        """Return when the peer has read all that was sent, or after ``patience`` seconds. The kernel has no event for
        this, so it is asked again and again (unix sockets count what their peer has not read yet)."""
        with anyio.move_on_after(patience):
            while _unread(self._socket):  # noqa: ASYNC110
                await anyio.sleep(0.0005)

    def send_end(self) -> None:
        """Half-close: the peer sees the end of our stream and may go on sending."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def abort(self) -> None:
        """End both directions at once; whoever receives, sends or waits here finds the peer gone."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._socket.close()

    async def wait_gone(self) -> None:
        """Return when the peer has closed both directions.

        A peer that only half-closed its side (``printf … | nc``) still reads, so an end of stream alone does not count.
        An epoll set without events reports nothing but hang-up and error, and is itself a waitable descriptor.
        """
        with select.epoll() as hangup:
            hangup.register(self._socket, 0)
            while not hangup.poll(0):
                await anyio.wait_readable(hangup)

    @asynccontextmanager
    async def cancel_when_gone(self) -> AsyncIterator[None]:
        """Run the body; when the peer vanishes meanwhile, cancel it and raise ClientGone."""
        gone = False

        async def watch() -> None:
            nonlocal gone
            await self.wait_gone()
            gone = True
            group.cancel_scope.cancel()

        try:
            async with anyio.create_task_group() as group:
                group.start_soon(watch)
                yield
                group.cancel_scope.cancel()
        except BaseExceptionGroup as failures:
            if len(failures.exceptions) == 1:  # the body's own error, not news about a group
                raise failures.exceptions[0] from None
            raise
        if gone:
            raise ClientGone("the client closed the connection")
