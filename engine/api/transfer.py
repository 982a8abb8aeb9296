"""Streams between the event loop and worker threads: a request body as a file to read, a response as a file to write,
and progress messages as JSON lines. What runs in the thread blocks on these until the client has kept up.
"""

from __future__ import annotations

import asyncio
import io
import logging
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, ParamSpec, TypeVar, cast

import anyio

from .. import refusals
from ..bridge import Bridge
from ..errors import ClientGone, EngineError
from ..images.abort import Abort
from .http import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed import ReadableBuffer, WriteableBuffer

    from .daemon import Daemon
    from .http import Request

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger(__name__)

_BUFFER = 256 * 1024
_PENDING = 64 * 1024  # bytes of messages that may wait
_GATHER = 0.005  # seconds

Write = Callable[[bytes], Coroutine[object, None, None]]


class _Body(io.RawIOBase):
    """A request body, read from a worker thread."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._bridge = Bridge()
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        if not self._rest:
            self._rest = self._bridge.call(self._request.chunk)
        view = memoryview(buffer)
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


class _Output(io.RawIOBase):
    """A streamed response, written from a worker thread."""

    def __init__(self, write: Write, bridge: Bridge) -> None:
        self._write = write
        self._bridge = bridge
        self.abandoned = False

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer) -> int:
        piece = bytes(data)
        if not self.abandoned:
            self._bridge.call(self._write, piece)
        return len(piece)


def body(request: Request) -> BinaryIO:
    """The request body as a buffered binary file, for use in a worker thread. Call it on the loop's thread."""
    return cast("BinaryIO", io.BufferedReader(_Body(request), _BUFFER))


@contextmanager
def output(write: Write, bridge: Bridge) -> Iterator[BinaryIO]:
    """A streamed response as a buffered binary file, for use in a worker thread.

    After a failure what is still buffered is dropped: the file may be finalized on the loop's thread, which must not wait
    for itself.
    """
    raw = _Output(write, bridge)
    file = io.BufferedWriter(raw, _BUFFER)
    try:
        yield cast("BinaryIO", file)
        file.flush()
    finally:
        raw.abandoned = True
        file.close()


async def in_thread(daemon: Daemon, function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """Run something long in a thread of the transfers' own pool."""
    return await daemon.transfers.run(partial(function, *arguments, **options))


async def send_file(
    daemon: Daemon, request: Request, produce: Callable[[BinaryIO], None], *, content_type: str = "application/x-tar"
) -> None:
    """Stream what ``produce`` writes from a worker thread. The answer begins with its first piece, so that a failure
    before that gets its own status."""
    begun = False

    async def write(data: bytes) -> None:
        nonlocal begun
        if not begun:
            begun = True
            await request.begin(content_type)
        await request.write(data)

    bridge = Bridge()

    def work() -> None:
        with output(write, bridge) as file:
            produce(file)

    await in_thread(daemon, work)
    if not begun:
        await request.begin(content_type)
    await request.end()


class Progress:
    """JSON lines of a long operation; callable from any thread but the loop's. They are sent a few milliseconds later, together with
    what has come meanwhile: a wake-up of loop and client for each would take longer than a build that is cached.

    ``gone`` is set when the client has left, which the operation may look at; the next message raises then. ``told`` says
    whether there has been a message.
    """

    def __init__(self, write: Write) -> None:
        self._write = write
        self._bridge = Bridge()
        self._lock = threading.Lock()
        self._pending = bytearray()
        self._loop = asyncio.get_running_loop()
        self._some = asyncio.Event()
        self._sending = anyio.Lock()
        self.gone = Abort()
        self.told = False

    def __call__(self, message: Mapping[str, object]) -> None:
        if self.gone.is_set():
            raise ClientGone("the client closed the connection")
        data = encode(message) + b"\r\n"
        self.told = True
        with self._lock:
            first = not self._pending
            self._pending += data
            full = len(self._pending) > _PENDING
        if full:
            self._bridge.call(self.flush)  # not faster than the client reads
        elif first:
            self._loop.call_soon_threadsafe(self._some.set)

    async def flush(self) -> None:
        """Send what there is. Raises ClientGone."""
        async with self._sending:
            with self._lock:
                data, self._pending = bytes(self._pending), bytearray()
            if data:
                await self._write(data)

    async def pump(self) -> None:
        """Send, until the client is gone."""
        try:
            while True:
                await self._some.wait()
                self._some.clear()
                await anyio.sleep(_GATHER)
                await self.flush()
        except ClientGone:
            self.gone.set()


async def with_progress(
    daemon: Daemon,
    request: Request,
    work: Callable[[Progress], object],
    *,
    content_type: str = "application/json",
    told_inside: bool = False,
) -> None:
    """Run ``work`` in a thread and stream its messages; its failure is the last message, in Docker's form.

    The answer begins with the first message: a failure before that is raised, so that it gets its own status. With
    ``told_inside`` it is the first message. Clients that look at the status alone go on when the answer begins.
    """
    begun = False
    failure: EngineError | ClientGone | None = None

    async def write(data: bytes) -> None:
        nonlocal begun
        if not begun:
            begun = True
            await request.begin(content_type)
        await request.write(data)

    progress = Progress(write)
    request.long = True

    async def watch() -> None:
        await request.wait_gone()
        progress.gone.set()

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        group.start_soon(progress.pump)
        try:
            await in_thread(daemon, work, progress)
        except (EngineError, ClientGone) as error:
            failure = ClientGone(str(error)) if progress.gone.is_set() else error
        except Exception as error:
            if not begun and not progress.told:
                raise
            # The last resort, as for answers that have not begun: the client hears why its stream ends.
            if isinstance(error, OSError | MemoryError) and refusals.is_refusal(error):
                failure = EngineError(refusals.in_words(error, (daemon.layout.state, daemon.layout.run)))
            else:
                log.exception("%s %s failed", request.method, request.path)
                words = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else "internal error"
                failure = EngineError(f"{words}; the engine's log has the details")
        if not isinstance(failure, ClientGone):
            try:
                await progress.flush()
            except ClientGone as error:
                failure = error
        group.cancel_scope.cancel()
    if isinstance(failure, ClientGone) or (failure is not None and not begun and not told_inside):
        raise failure
    if failure is not None:
        text = str(failure)
        await write(encode({"errorDetail": {"message": text}, "error": text}) + b"\r\n")
    if not begun:
        await request.begin(content_type)
    await request.end()
