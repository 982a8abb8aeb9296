"""HTTP/2 on a hijacked connection, in either role, carrying length-prefixed gRPC messages; h2 is the state machine.

    pipe ─► reader task ─► h2 ─► Stream (headers, messages, trailers) ─► whoever serves or called
    pipe ◄─ writer task ◄─ h2 ◄─ Stream.send, as far as the peer's flow control lets it

Bounds: a peer may have STREAMS streams open and WINDOW bytes unread in each; a message is at most LARGEST bytes. A peer that
does not read what it is sent is not read from either. Everything here runs on the event loop's thread.
"""

from __future__ import annotations

import struct
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

import anyio
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    RemoteSettingsChanged,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import H2Error, ProtocolError
from h2.settings import SettingCodes, Settings

from ..errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from anyio.abc import TaskGroup
    from h2.events import Event

WINDOW = 8 << 20
CONNECTION_WINDOW = 16 << 20
LARGEST = 4 << 20
STREAMS = 128
HEADERS = 256 << 10
_CHUNK = 256 << 10
_UNSENT = 1 << 20
_DEFAULT_WINDOW = 65535
_PREFIX = struct.Struct(">BI")

Headers = list[tuple[str, str]]


class StreamLost(EngineError):
    """The stream or its connection ended before its time."""

    status = 500


class Pipe(Protocol):
    """What HTTP/2 runs on. ``receive`` gives b"" at the end; both raise when the peer is gone."""

    async def receive(self, limit: int) -> bytes: ...
    async def send(self, data: bytes) -> None: ...


class Stream:
    """One request and its answer. ``headers`` are the peer's first, ``trailers`` its last."""

    def __init__(self, connection: Connection, id: int) -> None:
        self.id = id
        self.headers: Headers | None = None
        self.trailers: Headers = []
        self.scope = anyio.CancelScope()
        self._connection = connection
        self._buffer = bytearray()
        self._messages: deque[bytes] = deque()
        self._unacknowledged = 0
        self._ended = False
        self._failure: str | None = None
        self._changed = anyio.Event()

    # what the connection tells ---------------------------------------------------------------------------------------
    def feed(self, data: bytes, flow: int) -> None:
        self._buffer += data
        self._unacknowledged += flow
        while len(self._buffer) >= _PREFIX.size:
            compressed, size = _PREFIX.unpack_from(self._buffer)
            if compressed or size > LARGEST:
                self.reset(ErrorCodes.PROTOCOL_ERROR if compressed else ErrorCodes.ENHANCE_YOUR_CALM)
                return
            end = _PREFIX.size + size
            if len(self._buffer) < end:
                break
            self._messages.append(bytes(self._buffer[_PREFIX.size : end]))
            del self._buffer[:end]
        self.wake()

    def finish(self) -> None:
        self._ended = True
        self.wake()

    def fail(self, reason: str) -> None:
        """The peer has reset the stream, or is gone; whoever serves it is cancelled."""
        if self._failure is None:
            self._failure = reason
        self.scope.cancel()
        self.wake()

    def wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    # receiving -------------------------------------------------------------------------------------------------------
    async def wait_headers(self) -> Headers:
        while self.headers is None:
            self._check()
            await self._changed.wait()
        return self.headers

    async def receive(self) -> list[bytes]:
        """All messages that are there, at least one; [] at the end. Raises StreamLost."""
        while not self._messages:
            if self._ended and not self._buffer:
                return []
            self._check()
            if self._ended:
                raise StreamLost("the stream ended within a message")
            await self._changed.wait()
        found = list(self._messages)
        self._messages.clear()
        left = len(self._buffer)
        self._acknowledge(self._unacknowledged - left)
        return found

    def _acknowledge(self, count: int) -> None:
        self._unacknowledged -= count
        self._connection.acknowledge(self.id, count)

    def _check(self) -> None:
        if self._failure is not None:
            raise StreamLost(self._failure)

    # sending ---------------------------------------------------------------------------------------------------------
    async def send_headers(self, headers: Sequence[tuple[str, str]], *, end: bool = False) -> None:
        self._check()
        self._connection.send_headers(self.id, headers, end=end)

    async def send(self, messages: Iterable[bytes]) -> None:
        """Send messages one after another, when the peer has room for them. Raises StreamLost."""
        data = bytearray()
        for message in messages:
            data += _PREFIX.pack(0, len(message))
            data += message
        view = memoryview(data)
        while view:
            room = self._connection.room(self.id)
            self._check()
            if room <= 0:
                await self._connection.moved()
                continue
            self._connection.send_data(self.id, bytes(view[:room]))
            view = view[room:]

    def end(self) -> None:
        """No more from us."""
        if self._failure is None:
            self._connection.send_end(self.id)

    def reset(self, code: ErrorCodes = ErrorCodes.CANCEL) -> None:
        """Give the stream up."""
        self._connection.reset(self.id, code)
        self.fail("the stream was given up")

    def discard(self) -> None:
        """Free what is unread; the stream is done with."""
        self._messages.clear()
        self._buffer.clear()
        self._acknowledge(self._unacknowledged)
        self._connection.forget(self.id)


class Connection:
    """One connection. With ``serve`` we are the server, and it is called with each stream that the peer opens."""

    def __init__(self, pipe: Pipe, serve: Callable[[Stream], Awaitable[None]] | None = None) -> None:
        self._pipe = pipe
        self._serve = serve
        client = serve is None
        self._h2 = H2Connection(H2Configuration(client_side=client, header_encoding=None))
        values = {
            SettingCodes.INITIAL_WINDOW_SIZE: WINDOW,
            SettingCodes.MAX_CONCURRENT_STREAMS: STREAMS,
            SettingCodes.MAX_HEADER_LIST_SIZE: HEADERS,
        }
        if client:
            values[SettingCodes.ENABLE_PUSH] = 0
        self._h2.local_settings = Settings(client=client, initial_values=values)
        self._streams: dict[int, Stream] = {}
        self._out = bytearray()
        self._moved = anyio.Event()
        self._group: TaskGroup | None = None
        self.closed = anyio.Event()
        # Before anything else: a stream may be opened before the tasks run.
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(CONNECTION_WINDOW - _DEFAULT_WINDOW)
        self._drain()

    async def run(self) -> None:
        """Serve until the peer leaves or breaks the protocol. Raises what the pipe raises."""
        try:
            async with anyio.create_task_group() as self._group:
                self._group.start_soon(self._write)
                await self._read()
                self._lose("the client closed the connection")
                self._group.cancel_scope.cancel()
        except BaseExceptionGroup as failures:  # reading and writing fail of the same
            raise failures.exceptions[0] from None
        finally:
            self._lose("the connection is closed")
            self.closed.set()

    def open(self, headers: Sequence[tuple[str, str]]) -> Stream:
        """A new stream of ours. Raises StreamLost."""
        if self.closed.is_set():
            raise StreamLost("the connection is closed")
        try:
            stream = Stream(self, self._h2.get_next_available_stream_id())
            self._h2.send_headers(stream.id, headers)
        except H2Error as error:
            raise StreamLost(f"cannot open a stream: {error}") from None
        self._streams[stream.id] = stream
        self._drain()
        return stream

    def _lose(self, reason: str) -> None:
        for stream in list(self._streams.values()):
            stream.fail(reason)
        self._stir()

    # reading ---------------------------------------------------------------------------------------------------------
    async def _read(self) -> None:
        while data := await self._pipe.receive(_CHUNK):
            try:
                events = self._h2.receive_data(data)
            except ProtocolError:
                self._drain()
                with anyio.move_on_after(1):
                    await self._sent(0)
                return
            for event in events:
                self._handle(event)
            self._drain()
            await self._sent(_UNSENT)

    def _handle(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            assert self._group is not None and self._serve is not None
            stream = self._streams[event.stream_id] = Stream(self, event.stream_id)
            stream.headers = _decode(event.headers)
            self._group.start_soon(self._one, stream)
        elif isinstance(event, WindowUpdated | RemoteSettingsChanged):
            self._stir()
        elif isinstance(event, DataReceived):
            known = self._streams.get(event.stream_id)
            if known is None:
                self.acknowledge(event.stream_id, event.flow_controlled_length)
            else:
                known.feed(event.data, event.flow_controlled_length)
        elif isinstance(event, ResponseReceived | TrailersReceived | StreamEnded | StreamReset):
            known = self._streams.get(event.stream_id)
            if known is None:
                return
            if isinstance(event, ResponseReceived):
                known.headers = _decode(event.headers)
                known.wake()
            elif isinstance(event, TrailersReceived):
                known.trailers = _decode(event.headers)
            elif isinstance(event, StreamEnded):
                known.finish()
            else:
                known.fail("context canceled")
                self._stir()

    async def _one(self, stream: Stream) -> None:
        assert self._serve is not None
        try:
            with stream.scope, suppress(StreamLost):
                await self._serve(stream)
        finally:
            stream.discard()

    # writing ---------------------------------------------------------------------------------------------------------
    async def _write(self) -> None:
        while True:
            while not self._out:
                await self._moved.wait()
            data = bytes(self._out[:_CHUNK])
            del self._out[: len(data)]
            await self._pipe.send(data)
            self._stir()

    def _drain(self) -> None:
        self._out += self._h2.data_to_send()
        if self._out:
            self._stir()

    def _stir(self) -> None:
        self._moved.set()
        self._moved = anyio.Event()

    async def moved(self) -> None:
        """Return when something was sent, or the peer has made room."""
        await self._moved.wait()

    async def _sent(self, limit: int) -> None:
        while len(self._out) > limit:
            await self._moved.wait()

    # what streams use ------------------------------------------------------------------------------------------------
    def room(self, id: int) -> int:
        """How many bytes may be sent now; 0 also when the stream is gone."""
        if len(self._out) > _UNSENT:
            return 0
        try:
            return min(self._h2.local_flow_control_window(id), self._h2.max_outbound_frame_size)
        except H2Error:
            return 0

    def send_headers(self, id: int, headers: Sequence[tuple[str, str]], *, end: bool) -> None:
        try:
            self._h2.send_headers(id, headers, end_stream=end)
        except H2Error as error:
            raise StreamLost(str(error)) from None
        self._drain()

    def send_data(self, id: int, data: bytes) -> None:
        try:
            self._h2.send_data(id, data)
        except H2Error as error:
            raise StreamLost(str(error)) from None
        self._drain()

    def send_end(self, id: int) -> None:
        with suppress(H2Error):
            self._h2.end_stream(id)
        self._drain()

    def reset(self, id: int, code: ErrorCodes) -> None:
        with suppress(H2Error):
            self._h2.reset_stream(id, code)
        self._drain()

    def acknowledge(self, id: int, count: int) -> None:
        if count > 0:
            with suppress(H2Error):
                self._h2.acknowledge_received_data(count, id)
            self._drain()

    def forget(self, id: int) -> None:
        self._streams.pop(id, None)


def _decode(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    return [(name.decode("latin-1"), value.decode("utf-8", "surrogateescape")) for name, value in headers]
