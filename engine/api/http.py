"""HTTP/1.1 as the API needs it: requests with bounded headers and bodies, plain and streamed responses, hijacked streams.

h11 parses and formats; wire.py moves bytes. Nothing here knows a route. A connection serves requests one after another;
a handler either returns a Response, or takes the stream over with ``Request.stream`` or ``Request.hijack``.
"""

from __future__ import annotations

import json
import re
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote

import anyio
import h11

from ..errors import ClientGone, EngineError, InvalidParameter
from ..refusals import in_words
from ..shapes import decode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from ..shapes import Json
    from .wire import Wire

HEADER_LIMIT = 256 * 1024
JSON_LIMIT = 16 * 1024 * 1024
HEADER_SECONDS = 30.0
IDLE_SECONDS = 600.0
BODY_SECONDS = 120.0
DRAIN_LIMIT = 1024 * 1024
DRAIN_SECONDS, DRAIN_PIECE = 5.0, 4096
HEADER_PATIENCE = 0.1

JSON_TYPE = "application/json"
RAW_STREAM = "application/vnd.docker.raw-stream"
MULTIPLEXED = "application/vnd.docker.multiplexed-stream"

Headers = list[tuple[str, str]]
_I64 = 1 << 63
_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}


class RequestTimeout(EngineError):
    status = 408


class TooLarge(EngineError):
    status = 413


@dataclass(frozen=True, slots=True)
class Response:
    """A complete answer. ``body`` is sent as it is; ``headers`` are added to the server's own."""

    status: int = 200
    body: bytes = b""
    headers: Headers = field(default_factory=list)

    @staticmethod
    def json(body: object, status: int = 200) -> Response:
        return Response(status, encode(body) + b"\n", [("Content-Type", JSON_TYPE)])

    @staticmethod
    def text(body: str, status: int = 200) -> Response:
        return Response(status, body.encode(), [("Content-Type", "text/plain; charset=utf-8")])

    @staticmethod
    def error(status: int, message: str) -> Response:
        return Response.json({"message": message}, status)


def encode(body: object) -> bytes:
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    try:
        return text.encode()
    except UnicodeEncodeError:
        # A file's name need not be UTF-8, JSON must be. As in Go's encoder.
        return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").encode()


class Request:
    """One request. ``query`` maps a name to its values; ``headers`` have lower-case names; ``path`` is decoded."""

    def __init__(self, connection: Connection, event: h11.Request) -> None:
        self._connection = connection
        target = event.target.decode("ascii", "replace")
        path, _, query = target.partition("?")
        if "://" in path:
            path = "/" + path.partition("://")[2].partition("/")[2]
        self.method = event.method.decode("ascii")
        self.path = unquote(path)
        try:
            self.query = parse_qs(query, keep_blank_values=True, max_num_fields=1000)
        except ValueError as error:
            raise InvalidParameter(f"invalid query: {error}") from None
        if any("\0" in value for values in self.query.values() for value in values):
            raise InvalidParameter("invalid query: a value contains a NUL byte")
        self._fields = [(name.decode("ascii"), value.decode("latin-1")) for name, value in event.headers]
        self.headers = dict(self._fields)
        self.version = (0, 0)
        self.params: dict[str, str] = {}
        self.about: dict[str, str] = {}  # what the log says of it: the container it is about
        self.long = False  # set by what ends when its client leaves

    def __getitem__(self, name: str) -> str:
        """A part of the path, by its name in the route's pattern."""
        return self.params[name]

    def all_headers(self, name: str) -> list[str]:
        """Every value of a header that may come more than once."""
        return [value for field, value in self._fields if field == name]

    # query -----------------------------------------------------------------------------------------------------------
    def text(self, name: str, default: str = "") -> str:
        values = self.query.get(name)
        return values[0] if values else default

    def flag(self, name: str, default: bool = False) -> bool:
        """As Docker reads a boolean: absent gives the default; "", 0, no, false and none are false; the rest is true."""
        values = self.query.get(name)
        if not values:
            return default
        return values[0].strip().lower() not in ("", "0", "no", "false", "none")

    def number(self, name: str, default: int | None = None) -> int | None:
        text = self.text(name)
        if text == "":
            return default
        if not re.fullmatch(r"\s*[+-]?[0-9]{1,19}\s*", text) or not -_I64 <= int(text) < _I64:
            raise InvalidParameter(f"invalid value for {name}: {text[:100]!r} is not a number")
        return int(text)

    def filters(self) -> dict[str, list[str]]:
        """``filters`` in both of Docker's forms: {"name": ["a"]} and the older {"name": {"a": true}}."""
        text = self.text("filters")
        if not text:
            return {}
        try:
            body = decode(text)
        except ValueError:
            raise InvalidParameter("invalid filter: not a JSON object") from None
        if not isinstance(body, dict):
            raise InvalidParameter("invalid filter: not a JSON object")
        result = {}
        for key, values in body.items():
            if isinstance(values, dict):
                values = [value for value, wanted in values.items() if wanted]
            if not isinstance(values, list):
                raise InvalidParameter(f"invalid filter {key!r}: want a list of strings")
            if not all(isinstance(value, str | bool) for value in values):
                raise InvalidParameter("invalid filter")
            result[key] = [str(value).lower() if isinstance(value, bool) else str(value) for value in values]
        return result

    # body ------------------------------------------------------------------------------------------------------------
    async def chunk(self) -> bytes:
        """The next piece of the body, b"" at its end."""
        return await self._connection.body_chunk()

    async def read(self, limit: int = JSON_LIMIT) -> bytes:
        pieces = []
        size = 0
        while piece := await self.chunk():
            size += len(piece)
            if size > limit:
                raise TooLarge(f"request body is larger than {limit} bytes")
            pieces.append(piece)
        return b"".join(pieces)

    async def json(self) -> dict[str, Json]:
        """The body as a JSON object; an empty body is an empty object."""
        text = await self.read()
        if not text.strip():
            return {}
        kind = self.headers.get("content-type", JSON_TYPE).partition(";")[0].strip().lower()
        if kind != JSON_TYPE and self.version >= (1, 24) and kind not in ("", "text/plain"):
            raise InvalidParameter(f"unsupported Content-Type header ({kind}): must be 'application/json'")
        try:
            body = decode(text.decode("utf-8", "replace"))
        except ValueError as error:
            raise InvalidParameter(f"invalid JSON: {error}") from None
        if body is None:
            return {}
        if not isinstance(body, dict):
            raise InvalidParameter("invalid JSON: want an object")
        return body

    # answers that are not one Response ---------------------------------------------------------------------------------
    @asynccontextmanager
    async def stream(
        self, content_type: str = JSON_TYPE, *, status: int = 200, headers: Iterable[tuple[str, str]] = ()
    ) -> AsyncIterator[Callable[[bytes], Awaitable[None]]]:
        """Begin a streamed answer and yield its write function; the body is cancelled when the client goes away."""
        await self._connection.begin(status, [("Content-Type", content_type), *headers])
        async with self._connection.wire.cancel_when_gone():
            yield self._connection.write
        await self._connection.end()

    async def begin(
        self, content_type: str = JSON_TYPE, *, status: int = 200, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        """Begin a streamed answer by hand; then ``write`` and ``end``."""
        await self._connection.begin(status, [("Content-Type", content_type), *headers])

    async def write(self, data: bytes) -> None:
        await self._connection.write(data)

    async def end(self) -> None:
        await self._connection.end()

    async def wait_gone(self) -> None:
        """Return when the client has closed the connection."""
        await self._connection.wire.wait_gone()

    def abort(self) -> None:
        """Break a long operation off as if its client had left; anything else goes on to its end."""
        if self.long:
            self._connection.wire.abort()

    async def hijack(self, content_type: str = RAW_STREAM) -> Wire:
        """Turn the connection into a raw stream in both directions; HTTP is over on it.

        The stream begins behind the request's body: some clients send one with every request, which is read away here.
        """
        await self.read()
        return await self._connection.hijack(content_type, upgrade=bool(self.headers.get("upgrade")))

    async def switch(self, headers: Headers) -> Wire:
        """Answer 101 with these headers (a WebSocket handshake) and give the raw stream, which begins behind the body."""
        await self.read()
        return await self._connection.switch(headers)

    @property
    def answered(self) -> bool:
        return self._connection.answered


Handler = "Callable[[Request], Awaitable[Response | None]]"


class Connection:
    """One client connection: reads requests, calls the handler, writes what it returns."""

    def __init__(self, wire: Wire, common: Callable[[], Headers]) -> None:
        self.wire = wire
        self.answered = False
        self.hijacked = False
        self._common = common
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEADER_LIMIT)
        self._expired = 0.0

    async def serve(self, handler: Callable[[Request], Awaitable[Response | None]]) -> None:
        """Serve until the client leaves, the connection is hijacked, or the protocol is broken."""
        while True:
            try:
                event = await self._next_event(IDLE_SECONDS, HEADER_SECONDS)
            except TimeoutError:
                return
            except h11.RemoteProtocolError as error:
                await self._refuse(error)
                return
            except MemoryError as error:
                await self._without_memory(error)
                return
            if not isinstance(event, h11.Request):
                return
            self.answered = False
            if event.method == b"CONNECT":  # whatever answers it well is no HTTP any more
                await self._respond(Response.error(405, "this is no proxy"), head=False)
                return
            try:
                response = await handler(Request(self, event))
            except EngineError as error:
                response = Response.error(error.status, str(error))
            if self.hijacked:
                return
            if response is not None:
                await self._respond(response, head=event.method == b"HEAD")
            if not await self._settle():
                return

    async def _next_event(self, first: float, patience: float) -> h11.Event | type[h11.PAUSED]:
        """Wait ``first`` seconds for the first byte, then ``patience`` seconds in all for the whole event."""
        began = None
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event  # type: ignore[return-value]
            if self._http.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[]))
            now = time.monotonic()
            if began is None and self._http.trailing_data[0]:
                began = now
            with anyio.fail_after(first if began is None else max(0.0, began + patience - now)):
                data = await self.wire.receive()
            if began is None:
                began = time.monotonic()
            self._http.receive_data(data)

    async def _refuse(self, error: h11.RemoteProtocolError) -> None:
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            await self._respond(Response.error(error.error_status_hint, f"bad request: {error}"), head=False)

    async def _without_memory(self, error: MemoryError) -> None:
        """There is no room for a request: that is told. What still comes is dropped, for a connection that is closed with something
        unread in it takes its answer along."""
        if self._http.our_state is not h11.IDLE:
            return
        await self._respond(Response.error(500, in_words(error)), head=False)
        with anyio.move_on_after(DRAIN_SECONDS), suppress(MemoryError):
            while await self.wire.receive(DRAIN_PIECE):
                pass

    async def _send(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            await self.wire.send(data)

    async def body_chunk(self) -> bytes:
        if self._http.their_state is not h11.SEND_BODY:
            return b""
        try:
            event = await self._next_event(BODY_SECONDS, BODY_SECONDS)
        except TimeoutError:
            raise RequestTimeout("the request body did not arrive in time") from None
        except h11.RemoteProtocolError as error:
            raise InvalidParameter(f"bad request body: {error}") from None
        if isinstance(event, h11.Data):
            return bytes(event.data) or await self.body_chunk()
        if isinstance(event, h11.ConnectionClosed):
            raise ClientGone("the client closed the connection within its request")
        return b""

    async def _respond(self, response: Response, *, head: bool) -> None:
        headers = [*self._common(), *response.headers]
        if response.status not in (204, 304):
            headers.append(("Content-Length", str(len(response.body))))
        self.answered = True
        parts = self._http.send(_head(response.status, headers)) or b""
        if response.body and not head and response.status not in (204, 304):
            parts += self._http.send(h11.Data(data=response.body)) or b""
        parts += self._http.send(h11.EndOfMessage()) or b""
        await self.wire.send(parts)

    async def _settle(self) -> bool:
        """After an answer: drop what is left of the request body and get ready for the next; False to close."""
        drained = 0
        while self._http.their_state is h11.SEND_BODY and self._http.our_state is not h11.MUST_CLOSE:
            try:
                piece = await self.body_chunk()
            except EngineError:
                return False
            drained += len(piece)
            if drained > DRAIN_LIMIT:
                return False
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            try:
                self._http.start_next_cycle()
            except h11.LocalProtocolError:
                return False
            return True
        return False

    # streams ---------------------------------------------------------------------------------------------------------
    async def begin(self, status: int, headers: Headers) -> None:
        self.answered = True
        await self._send(_head(status, [*self._common(), *headers]))

    async def write(self, data: bytes) -> None:
        if data:
            await self._send(h11.Data(data=data))

    async def end(self) -> None:
        await self._send(h11.EndOfMessage())

    async def hijack(self, content_type: str, *, upgrade: bool) -> Wire:
        wire = await self._hijack(content_type, upgrade=upgrade)
        # Clients (docker-py for one) read the header through a buffer and go on reading without it: output that came
        # together with the header would be lost to them.
        await wire.consumed(HEADER_PATIENCE)
        return wire

    async def _hijack(self, content_type: str, *, upgrade: bool) -> Wire:
        if upgrade:
            return await self.switch([("Content-Type", content_type), ("Connection", "Upgrade"), ("Upgrade", "tcp")])
        self.answered = self.hijacked = True
        self.wire.unread(self._http.trailing_data[0])
        await self.wire.send(f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n\r\n".encode("ascii"))
        return self.wire

    async def switch(self, headers: Headers) -> Wire:
        self.answered = self.hijacked = True
        self.wire.unread(self._http.trailing_data[0])
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        await self.wire.send(f"HTTP/1.1 101 UPGRADED\r\n{lines}\r\n".encode("latin-1"))
        return self.wire


def _head(status: int, headers: Headers) -> h11.Response:
    """With the status in words, which clients put into their errors, and scripts look for."""
    return h11.Response(status_code=status, headers=headers, reason=_REASONS.get(status, b""))


def date() -> str:
    """The Date header: the same text for a whole second (RFC 9110, 5.6.7)."""
    return _date(int(time.time()))


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
