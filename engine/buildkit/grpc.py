"""gRPC over http2.py: calls that are made, calls that are served, and how errors travel.

Messages are protobuf; metadata are header fields; an error is a status code with a message and, in
``grpc-status-details-bin``, typed details.
"""

from __future__ import annotations

import base64
import binascii
import logging
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote, unquote

import anyio

from ..errors import EngineError
from . import messages
from .http2 import Connection, Stream, StreamLost

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from google.protobuf.message import Message

    from .messages import M, rpc

log = logging.getLogger(__name__)

OK, CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, ALREADY_EXISTS = 0, 1, 2, 3, 4, 5, 6
UNIMPLEMENTED, INTERNAL, UNAVAILABLE = 12, 13, 14

_CONTENT = ("content-type", "application/grpc")
# Printable ASCII but the percent sign stays as it is in grpc-message.
_PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")
_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_LONGEST_STATUS = 32 << 10  # clients bound the size of header lists


class GrpcError(EngineError):
    """A call that failed. ``details`` are (type URL, bytes)."""

    status = 500

    def __init__(self, message: str, code: int = UNKNOWN, details: Sequence[tuple[str, bytes]] = ()) -> None:
        super().__init__(message)
        self.code, self.details = code, tuple(details)


class Peer(Protocol):
    """Somebody whose methods can be called."""

    def call(self, path: str, metadata: Mapping[str, Sequence[str]] | None = None) -> ClientCall: ...


# calling -----------------------------------------------------------------------------------------------------------------
class ClientCall:
    """A call of ours, in progress."""

    def __init__(self, connection: Connection, path: str, metadata: Mapping[str, Sequence[str]]) -> None:
        headers = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost")]
        headers += [("te", "trailers"), _CONTENT, ("user-agent", "pycompose")]
        headers += [(name, value) for name, values in encoded(metadata).items() for value in values]
        self._stream = connection.open(headers)

    async def send(self, *bodies: bytes) -> None:
        """Raises GrpcError."""
        try:
            await self._stream.send(bodies)
        except StreamLost as error:
            raise GrpcError(str(error), UNAVAILABLE) from None

    def end(self) -> None:
        self._stream.end()

    async def receive(self) -> list[bytes]:
        """Messages as they come, [] at a good end. Raises GrpcError."""
        try:
            found = await self._stream.receive()
        except StreamLost as error:
            raise GrpcError(str(error), UNAVAILABLE) from None
        if not found:
            self._finish()
        return found

    def _finish(self) -> None:
        fields = dict([*(self._stream.headers or ()), *self._stream.trailers])
        self._stream.discard()
        code = fields.get("grpc-status", "")
        if code != "0":
            number = int(code) if code.isdecimal() and len(code) < 4 else UNKNOWN
            text = unquote(fields.get("grpc-message", "")) or f"the client answered with status {code or 'unknown'}"
            raise GrpcError(text, number, _details(fields.get("grpc-status-details-bin", "")))

    def abort(self) -> None:
        """Give the call up; whoever waits for it gets an error."""
        self._stream.reset()
        self._stream.discard()


async def unary(peer: Peer, path: str, request: Message, answer: type[M], *, seconds: float = 30.0) -> M:
    """One message there, one of kind ``answer`` back. Raises GrpcError."""
    call = peer.call(path)
    try:
        with anyio.fail_after(seconds):
            await call.send(request.SerializeToString())
            call.end()
            found = await call.receive()
            while await call.receive():
                pass
    except TimeoutError:
        raise GrpcError(f"the client did not answer {path} within {seconds:.0f} s", DEADLINE_EXCEEDED) from None
    finally:
        call.abort()
    if not found:
        raise GrpcError(f"the client answered {path} without a message", INTERNAL)
    return messages.parse(answer, found[0])


def encoded(metadata: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Metadata as header fields, in BuildKit's own escaping: fields that are not ASCII are quoted, and say so."""
    result: dict[str, list[str]] = {}
    for name, values in metadata.items():
        result[name] = list(values)
        if not all(value.isascii() and value.isprintable() for value in values):
            result[name] = [quote(value, safe="", errors="surrogateescape") for value in values]
            result[f"{name}-encoded"] = ["1"]
    return result


# serving -----------------------------------------------------------------------------------------------------------------
class ServerCall:
    """A call to us, in progress."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.metadata = dict(stream.headers or ())
        self._begun = False

    def all(self, name: str) -> list[str]:
        """Every value of a metadata field that may come more than once."""
        return [value for field, value in self._stream.headers or () if field == name]

    async def receive(self) -> list[bytes]:
        """Messages of a call that streams them, as they come; [] at the end. Raises StreamLost."""
        return await self._stream.receive()

    async def request(self, kind: type[M]) -> M:
        """The one message of a call that has one."""
        found = await self._stream.receive()
        if len(found) != 1:
            raise GrpcError("want one request message", INVALID_ARGUMENT)
        return messages.parse(kind, found[0])

    async def send(self, *answers: Message) -> None:
        await self.begin()
        await self._stream.send(answer.SerializeToString() for answer in answers)

    async def begin(self) -> None:
        if not self._begun:
            self._begun = True
            await self._stream.send_headers([(":status", "200"), _CONTENT])

    async def finish(self, failure: GrpcError | None) -> None:
        fields = [] if self._begun else [(":status", "200"), _CONTENT]
        fields.append(("grpc-status", str(OK if failure is None else failure.code)))
        if failure is not None:
            # Written byte by byte as they are, but for what a header cannot hold.
            text = str(failure)[:_LONGEST_STATUS].encode("utf-8", "replace")
            fields.append(("grpc-message", quote(text, safe=_PLAIN).strip(" ").replace("\n", "%0A")))
            if failure.details:
                fields.append(("grpc-status-details-bin", _status(failure)))
        await self._stream.send_headers(fields, end=True)


Method = "Callable[[ServerCall], Awaitable[None]]"


def one(
    kind: type[M], function: Callable[[M, ServerCall], Awaitable[Message]]
) -> Callable[[ServerCall], Awaitable[None]]:
    """A method with one request message of ``kind`` and one answer."""

    async def serve(call: ServerCall) -> None:
        await call.send(await function(await call.request(kind), call))

    return serve


async def serve(methods: Mapping[str, Callable[[ServerCall], Awaitable[None]]], stream: Stream) -> None:
    """Answer one call by the table of methods, whatever happens."""
    call = ServerCall(stream)
    path = call.metadata.get(":path", "")
    failure: GrpcError | None = None
    try:
        method = methods.get(path)
        if method is None:
            raise GrpcError(f"{path}: this engine does not offer it", UNIMPLEMENTED)
        with anyio.fail_after(_timeout(call.metadata.get("grpc-timeout", ""))):
            await method(call)
    except TimeoutError:
        failure = GrpcError("context deadline exceeded", DEADLINE_EXCEEDED)
    except GrpcError as error:
        failure = error
    except StreamLost:
        raise
    except EngineError as error:
        failure = GrpcError(str(error))
    except Exception:
        # As in engine/api: a defect of one call is logged and fails that call only.
        log.exception("%s failed", path)
        failure = GrpcError("internal error; the engine's log has the details", INTERNAL)
    await call.finish(failure)


def _timeout(text: str) -> float | None:
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not number.isdecimal() or len(number) > 8:
        return None
    return int(number) * _UNITS[unit]


def _status(failure: GrpcError) -> str:
    body = messages.rpc.Status(code=failure.code, message=str(failure)[:_LONGEST_STATUS])
    for url, value in failure.details:
        detail = body.details.add()
        detail.type_url, detail.value = url, value
    return base64.b64encode(body.SerializeToString()).decode("ascii").rstrip("=")


def _details(text: str) -> list[tuple[str, bytes]]:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4))
        return [(one.type_url, one.value) for one in messages.parse(messages.rpc.Status, raw).details]
    except (binascii.Error, ValueError, EngineError):
        return []


def error_of(status: rpc.Status) -> GrpcError:
    """A google.rpc.Status as the error it stands for."""
    return GrpcError(status.message, status.code or UNKNOWN, [(one.type_url, one.value) for one in status.details])
