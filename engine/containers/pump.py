"""Moving bytes between descriptors of a container and a client: frames, detach keys, asynchronous reads and writes.

``Client`` is what the API gives (a hijacked connection or a WebSocket); nothing here knows HTTP.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

import anyio

from ..errors import InvalidParameter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

STDOUT, STDERR = 1, 2
CHUNK = 65536
DEFAULT_DETACH = b"\x10\x11"

_HEADER = struct.Struct(">BxxxI")

Send = Callable[[bytes], Awaitable[None]]


class Client(Protocol):
    """Both directions of an attached client. ``receive`` gives b"" when the client has closed its input."""

    async def receive(self) -> bytes: ...

    async def send(self, data: bytes) -> None: ...


class Detached(Exception):
    """The user typed the detach keys."""


def frame(stream: int, data: bytes) -> bytes:
    """Docker's multiplexed frame: stream number, three zero bytes, big-endian length, data."""
    return _HEADER.pack(stream, len(data)) + data


def one_at_a_time(send: Send) -> Send:
    """A sender that several tasks may use: their pieces do not mix."""
    lock = anyio.Lock()

    async def locked(data: bytes) -> None:
        async with lock:
            await send(data)

    return locked


class Reader:
    """Chunks from a pipe or a pty master, until its end, or after ``finish`` until nothing is left in it.

    A process that has ended may have left children that hold the pipe for ever: its own output is what counts.
    """

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._finishing = False
        self._waiting: anyio.CancelScope | None = None

    def finish(self) -> None:
        self._finishing = True
        if self._waiting is not None:
            self._waiting.cancel()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            try:
                data = os.read(self._descriptor, CHUNK)
            except BlockingIOError:
                if self._finishing:
                    return
                with anyio.CancelScope() as self._waiting:
                    await anyio.wait_readable(self._descriptor)
                self._waiting = None
                continue
            except OSError:  # EIO: the last process has closed the terminal
                return
            if not data:
                return
            yield data


async def write_all(descriptor: int, data: bytes) -> bool:
    """Write everything; False when nobody reads any more."""
    view = memoryview(data)
    while view:
        try:
            written = os.write(descriptor, view)
        except BlockingIOError:
            await anyio.wait_writable(descriptor)
            continue
        except OSError:
            return False
        view = view[written:]
    return True


def close(descriptor: int) -> None:
    """Close a descriptor, and let no task go on waiting for it."""
    anyio.notify_closing(descriptor)
    with suppress(OSError):
        os.close(descriptor)


class DetachKeys:
    """Watches typed bytes for the detach sequence. Bytes of a sequence that comes to nothing are passed on."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._matched = 0

    def feed(self, data: bytes) -> bytes:
        """The bytes to pass on. Raises Detached once the whole sequence was typed (what came before it is dropped)."""
        if not self._keys:
            return data
        out = bytearray()
        for byte in data:
            if byte == self._keys[self._matched]:
                self._matched += 1
                if self._matched == len(self._keys):
                    raise Detached
                continue
            out += self._keys[: self._matched]
            self._matched = 0
            if byte == self._keys[0]:
                self._matched = 1
            else:
                out.append(byte)
        return bytes(out)


def parse_keys(text: str) -> bytes:
    """``ctrl-p,ctrl-q`` or single characters, comma-separated; "" is the default. Raises InvalidParameter."""
    if not text:
        return DEFAULT_DETACH
    keys = bytearray()
    for word in text.split(","):
        if len(word) == 1:
            keys.append(ord(word) & 0xFF)
        elif word.startswith("ctrl-") and len(word) == 6 and (word[5] in "@[\\]^_" or "a" <= word[5] <= "z"):
            keys.append(ord(word[5].upper()) - 64)
        elif word == "DEL":
            keys.append(127)
        else:
            raise InvalidParameter(f"Invalid escape keys ({text}) provided")
    return bytes(keys)
