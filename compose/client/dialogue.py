"""Both directions of a command's standard streams over a hijacked connection, as values: what it is told and what it writes.

For attach and exec without a terminal. `run` belongs to one thread; `interrupt` may be called from any other.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from typing import TYPE_CHECKING

from .frames import STDERR, demultiplex

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .http import Response

_BLOCK = 256 * 1024


class Expired(Exception):
    """The time given to `Dialogue.run` is over; what was written until then is in ``output`` and ``error``."""

    def __init__(self, output: bytes, error: bytes) -> None:
        super().__init__()
        self.output, self.error = output, error


class Dialogue:
    """``response`` is the answer of an attach or of the start of an exec; its connection is closed at the end."""

    def __init__(self, response: Response) -> None:
        self._socket, self._early = response.hijack()

    def run(self, given: bytes | None, timeout: float | None = None) -> tuple[bytes, bytes]:
        """Send ``given``, end the input, and read until the other side ends: standard output and standard error.

        ``timeout`` is in seconds. Raises `Expired`, `EngineError` for bytes that are no frames.
        """
        found = {False: bytearray(), True: bytearray()}
        try:
            for stream, data in demultiplex(self._exchanged(given, timeout)):
                found[stream == STDERR] += data
        except TimeoutError:
            raise Expired(bytes(found[False]), bytes(found[True])) from None
        finally:
            self._socket.close()
        return bytes(found[False]), bytes(found[True])

    def interrupt(self) -> None:
        """Let `run` end at once, as if the other side had."""
        with contextlib.suppress(OSError):  # it has ended by itself
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """For one that is not run. Once more does nothing."""
        self._socket.close()

    def _exchanged(self, given: bytes | None, timeout: float | None) -> Iterator[bytes]:
        """What arrives, while ``given`` is sent. Raises TimeoutError."""
        if self._early:
            yield self._early
        end = None if timeout is None else time.monotonic() + timeout
        rest = memoryview(given or b"")
        if given == b"":
            self._end_input()
        self._socket.setblocking(False)
        poller = select.poll()
        while True:
            poller.register(self._socket, select.POLLIN | (select.POLLOUT if rest else 0))
            left = None if end is None else max(0.0, end - time.monotonic())
            ready = poller.poll(None if left is None else left * 1000)
            if not ready and left is not None and left <= 0:
                raise TimeoutError
            for _, events in ready:
                if events & select.POLLOUT and rest:
                    rest = self._sent(rest)
                if events & ~select.POLLOUT:
                    with contextlib.suppress(BlockingIOError):
                        data = self._received()
                        if not data:
                            return
                        yield data

    def _sent(self, rest: memoryview) -> memoryview:
        """What of ``rest`` is still to be sent: nothing where the other side takes no more."""
        try:
            rest = rest[self._socket.send(rest[:_BLOCK]) :]
        except BlockingIOError:
            return rest
        except OSError:
            return rest[:0]
        if not rest:
            self._end_input()
        return rest

    def _received(self) -> bytes:
        try:
            return self._socket.recv(_BLOCK)
        except ConnectionError:
            return b""

    def _end_input(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
