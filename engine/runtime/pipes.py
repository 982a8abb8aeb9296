"""Large amounts from one TCP socket to another without a copy: splice(2) moves the kernel's own pages through a pipe.

Half the processor time of reading and writing them, a little more where there is little to move: so a connection borrows a
pipe only while much comes. Each has a place in what the kernel gives a user for all pipes (fs.pipe-user-pages-soft), from which
the pipes in containers come as well: there are few, and those that nobody needs any more are closed after a moment.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

    from .loop import Loop, Timer

SIZE = 1 << 18
_MOST = 8
_IDLE = 1.0
"""Seconds until a pipe that nobody has borrowed is closed."""


class Pipe:
    """What is on its way, ``len(pipe)`` bytes. Both ends and both sockets are non-blocking."""

    __slots__ = ("_held", "_reader", "_writer")

    def __init__(self) -> None:
        """Raises OSError where the kernel gives no pipe of that size (any more)."""
        self._held = 0
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            fcntl.fcntl(self._writer, fcntl.F_SETPIPE_SZ, SIZE)
        except OSError:
            self.close()
            raise

    def __len__(self) -> int:
        return self._held

    def take(self, source: socket.socket) -> int:
        """How much of what a socket has been sent is in here now; 0 at its end. The pipe is empty before. Raises OSError."""
        self._held = os.splice(source.fileno(), self._writer, SIZE)
        return self._held

    def give(self, sink: socket.socket) -> None:
        """Send what the socket takes at once. Raises OSError."""
        with contextlib.suppress(BlockingIOError):
            self._held -= os.splice(self._reader, sink.fileno(), self._held)

    def close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)


class Pipes:
    """The pipes of one relay."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._made = 0
        self._free: list[Pipe] = []
        self._timer: Timer | None = None

    def borrow(self) -> Pipe | None:
        """An empty one; None where others have them all: what comes is read and written then."""
        if self._free:
            return self._free.pop()
        if self._made >= _MOST:
            return None
        try:
            pipe = Pipe()
        except OSError:
            return None
        self._made += 1
        return pipe

    def give_back(self, pipe: Pipe) -> None:
        """One with something in it, of a connection that was cut, is of no use any more."""
        if pipe:
            self._made -= 1
            pipe.close()
            return
        self._free.append(pipe)
        if self._timer is None:
            self._timer = self._loop.after(_IDLE, self._expire)

    def close(self) -> None:
        """Those that are not borrowed."""
        if self._timer is not None:
            self._timer.cancel()
        self._expire()

    def _expire(self) -> None:
        self._timer = None
        self._made -= len(self._free)
        while self._free:
            self._free.pop().close()
