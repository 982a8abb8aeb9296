"""One SEQPACKET connection on asyncio: requests with replies, events in between, and an end that nobody waits past.

    ShimError
    ├── ShimLost       the peer died or was never there; nothing more will come
    ├── LaunchError    the container's process could not be started; says which operation failed, and the exit code
    └── RequestError   the peer refused (wrong state, no such exec)

What the messages mean is the clients' business (client.py, guardclient.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, cast

from .. import documents
from . import protocol

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence
    from typing import Unpack

    from . import wire


class ShimError(Exception):
    """Base of what keeper and shim can answer."""


class ShimLost(ShimError):
    """The peer is gone: its end is not known, and no further answer will come."""


class RequestError(ShimError):
    """The peer understood and refused; ``str(error)`` says why."""


class LaunchError(ShimError):
    """A process could not be started. ``operation`` describes the step, ``errno`` is the kernel's (0: none),
    ``message`` the text for the user, ``exit_code`` Docker's: 127 not found, 126 not executable, 128 otherwise."""

    def __init__(self, operation: str, errno: int, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.operation = operation
        self.errno = errno
        self.message = message
        self.exit_code = exit_code


class Connection:
    """Requests, replies and events over one SEQPACKET socket."""

    def __init__(
        self,
        channel: socket.socket,
        on_event: Callable[[wire.Message, list[int]], None],
        who: str = "the other side",
    ) -> None:
        """``who`` names the other side in errors."""
        channel.setblocking(False)
        self._who = who
        self._channel = channel
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._pending: dict[int, asyncio.Future[tuple[wire.Answer, list[int]]]] = {}
        self._next = 1
        self._sending = asyncio.Lock()
        self.closed = asyncio.Event()
        self.peer = protocol.Hello()
        self.newer: documents.NewerFormat | None = None
        """Set when the other side is of a pycompose to come: then nothing is asked of it."""
        self._loop.add_reader(channel.fileno(), self._readable)

    async def request(
        self, op: str, descriptors: Sequence[int] = (), **fields: Unpack[wire.Fields]
    ) -> tuple[wire.Answer, list[int]]:
        """Send a request and wait for its reply: the ``ok`` document (empty when it says nothing) and the descriptors that came along."""
        if self.closed.is_set():
            raise ShimLost("the other side is gone")
        if self.newer is not None:
            raise RequestError(str(self.newer))
        if self.peer.ops is not None and op not in self.peer.ops:
            raise RequestError(f"{self._who} is of an older pycompose and knows no {op!r}")
        number = self._next
        self._next += 1
        reply: asyncio.Future[tuple[wire.Answer, list[int]]] = self._loop.create_future()
        self._pending[number] = reply
        try:
            await self._send(cast("wire.Message", {"id": number, "op": op, **fields}), descriptors)
            return await reply
        except BaseException:
            if reply.done() and not reply.cancelled() and reply.exception() is None:
                close_all(reply.result()[1])
            raise
        finally:
            self._pending.pop(number, None)

    async def _send(self, message: wire.Message, descriptors: Sequence[int]) -> None:
        # In turn: there can be one waiter for the socket to take more.
        async with self._sending:
            while not self.closed.is_set():
                try:
                    protocol.send(self._channel, message, descriptors)
                except BlockingIOError:
                    await self._writable()
                except OSError:
                    self.close()
                else:
                    return
        raise ShimLost("the other side is gone")

    async def _writable(self) -> None:
        ready: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_writer(self._channel.fileno(), _wake, ready)
        gone = asyncio.ensure_future(self.closed.wait())
        try:
            await asyncio.wait((ready, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            if not self.closed.is_set():
                self._loop.remove_writer(self._channel.fileno())

    def take_in(self) -> None:
        """Look now at what has come already, such as a hello."""
        self._readable()

    def _readable(self) -> None:
        while not self.closed.is_set():
            try:
                received = protocol.receive(self._channel)
            except BlockingIOError:
                return
            except (OSError, ValueError):
                received = None
            if received is None:
                self.close()
                return
            message, descriptors = received
            if "reply" in message:
                self._answer(message, descriptors)
            elif message.get("event") == "hello":
                self._greeted(message)
            else:
                self._on_event(message, descriptors)

    def _greeted(self, message: wire.Message) -> None:
        try:
            self.peer = protocol.Hello.parse(message, self._who)
        except documents.NewerFormat as error:
            self.newer = error

    def _answer(self, message: wire.Message, descriptors: list[int]) -> None:
        reply = self._pending.pop(message["reply"], None)
        if reply is None or reply.done():
            close_all(descriptors)
        elif "error" in message:
            close_all(descriptors)
            reply.set_exception(error_of(message["error"]))
        else:
            reply.set_result((message.get("ok") or {}, descriptors))

    def close(self) -> None:
        """Close the socket and fail everything that waits."""
        if self.closed.is_set():
            return
        self.closed.set()
        self._loop.remove_reader(self._channel.fileno())
        self._loop.remove_writer(self._channel.fileno())
        self._channel.close()
        pending, self._pending = self._pending, {}
        for reply in pending.values():
            if not reply.done():
                reply.set_exception(ShimLost("the other side is gone"))


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def error_of(document: wire.Problem) -> ShimError:
    if "operation" in document:
        return LaunchError(
            str(document["operation"]),
            int(document.get("errno") or 0),
            str(document.get("message") or document["operation"]),
            int(document.get("exit_code") or 128),
        )
    return RequestError(str(document.get("message") or "refused without a reason"))


def close_all(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            os.close(descriptor)
