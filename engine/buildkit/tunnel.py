"""A connection within a gRPC call: both sides stream messages whose bytes, one after another, are what the connection carries.

``Control/Session`` is such a call: clients that have several builds under way open their sessions by it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .messages import control, parse

if TYPE_CHECKING:
    from .grpc import ServerCall


class Tunnel:
    """The Pipe of an HTTP/2 connection that a call carries."""

    def __init__(self, call: ServerCall) -> None:
        self._call = call
        self._unread = b""

    async def receive(self, limit: int) -> bytes:
        while not self._unread:
            found = await self._call.receive()
            if not found:
                return b""
            self._unread = b"".join(parse(control.BytesMessage, raw).data for raw in found)
        data, self._unread = self._unread[:limit], self._unread[limit:]
        return data

    async def send(self, data: bytes) -> None:
        await self._call.send(control.BytesMessage(data=data))
