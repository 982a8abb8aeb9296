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
from typing import TYPE_CHECKING, Any

from . import protocol

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping, Sequence


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

    def __init__(self, channel: socket.socket, on_event: Callable[[protocol.Message, list[int]], None]) -> None:
        channel.setblocking(False)
        self._channel = channel
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._pending: dict[int, asyncio.Future[tuple[Any, list[int]]]] = {}
        self._next = 1
        self._sending = asyncio.Lock()
        self.closed = asyncio.Event()
        self._loop.add_reader(channel.fileno(), self._readable)

    async def request(self, op: str, descriptors: Sequence[int] = (), **fields: Any) -> tuple[Any, list[int]]:
        """Send a request and wait for its reply: the ``ok`` value and the descriptors that came along."""
        if self.closed.is_set():
            raise ShimLost("the other side is gone")
        number = self._next
        self._next += 1
        reply: asyncio.Future[tuple[Any, list[int]]] = self._loop.create_future()
        self._pending[number] = reply
        try:
            await self._send({"id": number, "op": op, **fields}, descriptors)
            return await reply
        except BaseException:
            if reply.done() and not reply.cancelled() and reply.exception() is None:
                close_all(reply.result()[1])
            raise
        finally:
            self._pending.pop(number, None)

    async def _send(self, message: protocol.Message, descriptors: Sequence[int]) -> None:
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
            else:
                self._on_event(message, descriptors)

    def _answer(self, message: protocol.Message, descriptors: list[int]) -> None:
        reply = self._pending.pop(message["reply"], None)
        if reply is None or reply.done():
            close_all(descriptors)
        elif "error" in message:
            close_all(descriptors)
            reply.set_exception(error_of(message["error"]))
        else:
            reply.set_result((message.get("ok"), descriptors))

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


def error_of(document: Mapping[str, Any]) -> ShimError:
    if "operation" in document:
        return LaunchError(document["operation"], document["errno"], document["message"], document["exit_code"])
    return RequestError(document["message"])


def close_all(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            os.close(descriptor)
