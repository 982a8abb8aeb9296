"""The HTTP server: accepts on the inherited listening socket and runs one task per connection.

A connection's failure ends that connection and no other. Nothing here knows what a container is; the application is one
function from request to response. For the engine's idle exit ``last_active`` tells when the last request ended, and ``lent``
whether a client has come that is not pycompose's own.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from .. import journal
from ..errors import ClientGone
from ..idle import is_foreign
from ..meters import Meters
from .http import Connection, Headers, Request, Response, date
from .wire import Wire

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup


log = logging.getLogger(__name__)

_TRANSIENT = {errno.ECONNABORTED, errno.EPROTO, errno.EINTR, errno.EPERM}
FRESH_SECONDS = 0.5
MOST_UNTRUSTED = 256
"""Connections at an address where nobody shows who they are: the engine's descriptors are everybody else's, too."""
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Server:
    def __init__(
        self,
        application: Callable[[Request], Awaitable[Response | None]],
        headers: Headers,
        meters: Meters | None = None,
        most: int | None = None,
    ) -> None:
        """``most`` connections are held where anybody may connect: for one more, who has been silent longest is sent away."""
        self._meters = meters or Meters()
        self._count = 0
        self._application = application
        self._headers = headers
        self._requests: set[Request] = set()
        self._most = most
        self._wires: set[Wire] = set()
        self._silent: dict[Wire, None] = {}  # connections without a request in progress, the oldest first
        self._fresh: set[object] = set()  # connections that have not brought a request yet
        self._accepting = anyio.CancelScope()
        self._closed = anyio.Event()
        self._ended = anyio.Event()
        self.last_active = time.monotonic()
        self.lent = False

    @property
    def active(self) -> int:
        """How many requests are being served, streams included."""
        return len(self._requests)

    async def stop_accepting(self) -> None:
        """Accept what is queued, then close the listener: later clients are refused, or reach the next engine."""
        self._accepting.cancel()
        await self._closed.wait()

    async def drained(self) -> None:
        """Return when every request is done, but for streams that have begun: those may go on for ever. Who has just
        connected has a moment to ask."""
        with anyio.move_on_after(FRESH_SECONDS):
            while self._fresh:
                self._ended = anyio.Event()
                await self._ended.wait()
        while any(not request.answered for request in self._requests):
            self._ended = anyio.Event()
            await self._ended.wait()

    def abort(self) -> None:
        """Break off what is still open. Threads that write to a client which does not read would wait for ever, and whoever
        ends the server would wait for them."""
        for wire in self._wires:
            wire.abort()

    async def serve(self, listener: socket.socket) -> None:
        """Accept until cancelled or told to stop. Running connections are cancelled with it."""
        listener.setblocking(False)
        async with anyio.create_task_group() as group:
            with self._accepting:
                await self._accept(group, listener)
            with suppress(OSError):
                while True:
                    self.begin(group, listener.accept()[0])
            listener.close()
            self._closed.set()
            await anyio.sleep_forever()

    async def _accept(self, group: TaskGroup, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except BlockingIOError:
                await anyio.wait_readable(listener)
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    log.error("cannot accept a connection: %s", error.strerror)
                    await anyio.sleep(0.1)  # until some connection ends; there is nothing to be told about
                elif error.errno not in _TRANSIENT:
                    raise
            else:
                self.begin(group, sock)

    def begin(self, group: TaskGroup, sock: socket.socket) -> None:
        """Serve one connection, in a task of ``group``."""
        if self._most is not None and len(self._wires) >= self._most:
            if not self._silent:
                sock.close()
                return
            longest = next(iter(self._silent))
            del self._silent[longest]
            longest.abort()
        token, wire = object(), Wire(sock)
        self._fresh.add(token)
        self._wires.add(wire)
        self._silent[wire] = None
        group.start_soon(self._connection, wire, token)

    async def _connection(self, wire: Wire, token: object) -> None:
        connection = Connection(wire, lambda: [*self._headers, ("Date", date())])
        try:
            await connection.serve(lambda request: self._request(request, token, wire))
        except ClientGone:
            pass  # nobody is left to tell
        except Exception:
            # The last resort: a defect in serving one connection is logged and ends that connection only.
            log.exception("connection failed")
        finally:
            self._wires.discard(wire)
            self._silent.pop(wire, None)
            wire.close()
            self._fresh.discard(token)
            self._ended.set()

    def _note(self, request: Request, response: Response | None, seconds: float) -> None:
        status = 200 if response is None else response.status
        self._meters.answered(request.method, status, None if response is None else seconds)
        if log.isEnabledFor(logging.INFO):
            said = journal.fields(**request.about, status=str(status), ms=f"{seconds * 1000:.1f}")
            log.info("%s %s", request.method, request.path, extra=said)

    async def _request(self, request: Request, token: object, wire: Wire) -> Response | None:
        self._requests.add(request)
        self._silent.pop(wire, None)
        if (task := asyncio.current_task()) is not None:
            task.set_name(f"{request.method} {request.path}")  # who held the loop is told by this name
        self._fresh.discard(token)
        began, response = time.monotonic(), None
        self._count += 1
        self.lent = self.lent or is_foreign(request.headers.get("user-agent", ""))
        try:
            with journal.about(request=str(self._count)):
                response = await self._application(request)
                self._note(request, response, time.monotonic() - began)
            return response
        finally:
            self._requests.discard(request)
            if wire in self._wires:
                self._silent[wire] = None
            self.last_active = time.monotonic()
            self._ended.set()
