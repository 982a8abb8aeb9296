"""Moving bytes between descriptors of a container and a client: frames, detach keys, asynchronous reads and writes.

``Client`` is what the API gives (a hijacked connection or a WebSocket); nothing here knows HTTP.
"""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import anyio
import anyio.lowlevel

from ...errors import ClientGone, InvalidParameter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ...runtime.loopfd import LoopFd

STDOUT, STDERR = 1, 2
CHUNK = 65536
LEFT_SECONDS = 3.0
DEFAULT_DETACH = b"\x10\x11"

_HEADER = struct.Struct(">BxxxI")

Send = Callable[[bytes], Awaitable[None]]


class Client(Protocol):
    """Both directions of an attached client. ``receive`` gives b"" when the client has closed its input; it and ``send``
    raise ClientGone. ``wait_gone`` returns when the client has closed both directions."""

    async def receive(self) -> bytes: ...

    async def send(self, data: bytes) -> None: ...

    async def wait_gone(self) -> None: ...


class Detached(Exception):
    """The user typed the detach keys."""


def frame(stream: int, data: bytes) -> bytes:
    """Docker's multiplexed frame: stream number, three zero bytes, big-endian length, data."""
    return header(stream, len(data)) + data


header = _HEADER.pack
"""What goes before the data of a frame: of a stream's number and the length."""


def one_at_a_time(send: Send) -> Send:
    """A sender that several tasks may use: their pieces do not mix."""
    lock = anyio.Lock()

    async def locked(data: bytes) -> None:
        async with lock:
            await send(data)

    return locked


def until_gone(send: Send) -> Send:
    """A sender for what goes on without its client: once that has left, everything is dropped."""
    gone = False

    async def careless(data: bytes) -> None:
        nonlocal gone
        if not gone:
            try:
                await send(data)
            except ClientGone:
                gone = True

    return careless


async def received(client: Client) -> AsyncIterator[bytes]:
    """What the client sends, until it has closed its input or left."""
    while True:
        try:
            data = await client.receive()
        except ClientGone:
            return
        if not data:
            return
        yield data


@asynccontextmanager
async def while_there(client: Client) -> AsyncIterator[None]:
    """Run the body, which passes the client's input on. A client that has left sent what it sent: the body goes on with
    that, but not for ever where the program does not read."""

    async def watch() -> None:
        await client.wait_gone()
        scope.deadline = anyio.current_time() + LEFT_SECONDS

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        with anyio.CancelScope() as scope:
            yield
        group.cancel_scope.cancel()


class Reader:
    """Chunks from a pipe or a pty master, until its end, or after ``finish`` until nothing is left in it.

    A process that has ended may have left children that hold the pipe for ever: its own output is what counts.
    """

    def __init__(self, descriptor: LoopFd) -> None:
        self._descriptor = descriptor
        self._finishing = False
        self._waiting: anyio.CancelScope | None = None

    def finish(self) -> None:
        self._finishing = True
        if self._waiting is not None:
            self._waiting.cancel()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            # A program that writes as fast as its output is taken would never let anybody else have the loop.
            await anyio.lowlevel.checkpoint()
            try:
                data = self._descriptor.read(CHUNK)
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


async def write_all(descriptor: LoopFd, data: bytes) -> bool:
    """Write everything; False when nobody reads any more."""
    view = memoryview(data)
    while view:
        await anyio.lowlevel.checkpoint()
        try:
            written = descriptor.write(view)
        except BlockingIOError:
            await anyio.wait_writable(descriptor)
            continue
        except OSError:
            return False
        view = view[written:]
    return True


def close(descriptor: LoopFd) -> None:
    """Close a descriptor, and let no task go on waiting for it."""
    if descriptor.fileno() >= 0:
        anyio.notify_closing(descriptor)
        descriptor.close()


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
