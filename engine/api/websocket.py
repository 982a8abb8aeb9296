"""WebSockets (RFC 6455) as far as attaching needs them: the handshake, data both ways, ping and close.

A message has no meaning here beyond its bytes; what the container writes goes out in binary messages.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from typing import TYPE_CHECKING

from ..errors import ClientGone, InvalidParameter

if TYPE_CHECKING:
    from .http import Request
    from .wire import Wire

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_LIMIT = 1 << 20
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


async def accept(request: Request) -> WebSocket:
    """Answer the handshake. Raises InvalidParameter when it is none."""
    key = request.headers.get("sec-websocket-key", "")
    if not key or request.headers.get("sec-websocket-version", "13") != "13":
        raise InvalidParameter("not a WebSocket handshake")
    digest = base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()
    wire = await request.switch([("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", digest)])
    return WebSocket(wire)


class WebSocket:
    """The server's end. ``receive`` gives b"" after the client's close."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._buffer = bytearray()

    async def receive(self) -> bytes:
        while True:
            head = await self._take(2)
            if not head:
                return b""
            kind, size = head[0] & 15, head[1] & 127
            if size == 126:
                (size,) = struct.unpack(">H", await self._rest(2))
            elif size == 127:
                (size,) = struct.unpack(">Q", await self._rest(8))
            if size > _LIMIT or not head[1] & 128:
                raise ClientGone("a WebSocket frame that is too large or not masked")
            mask = await self._rest(4)
            data = _unmask(await self._rest(size), mask)
            if kind == CLOSE:
                return b""
            if kind == PING:
                await self._frame(PONG, data)
            elif kind in (CONTINUATION, TEXT, BINARY) and data:
                return data

    async def _take(self, size: int) -> bytes:
        """``size`` bytes, b"" when the stream ends before."""
        while len(self._buffer) < size:
            piece = await self._wire.receive()
            if not piece:
                return b""
            self._buffer += piece
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    async def _rest(self, size: int) -> bytes:
        """What belongs to a frame that has begun. Raises ClientGone when it ends within."""
        data = await self._take(size)
        if len(data) < size:
            raise ClientGone("the stream ended within a WebSocket frame")
        return data

    async def wait_gone(self) -> None:
        await self._wire.wait_gone()

    async def send(self, data: bytes) -> None:
        await self._frame(BINARY, data)

    async def _frame(self, kind: int, data: bytes) -> None:
        size = len(data)
        head = bytes([0x80 | kind])
        if size < 126:
            head += bytes([size])
        elif size < 65536:
            head += struct.pack(">BH", 126, size)
        else:
            head += struct.pack(">BQ", 127, size)
        await self._wire.send(head + data)

    async def close(self) -> None:
        await self._frame(CLOSE, struct.pack(">H", 1000))


def _unmask(data: bytes, mask: bytes) -> bytes:
    """``data`` with the client's mask taken off: as one large number, since a loop over a MiB would hold everybody up."""
    size = len(data)
    whole = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(whole, "little")).to_bytes(size, "little")
