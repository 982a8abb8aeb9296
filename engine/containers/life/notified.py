"""sd_notify: the socket that a container's program reports READY=1 to.

It is an abstract socket in the container's network namespace, so it needs no mount and no directory in the image, and it
goes with the engine or the namespace, leaving nothing behind. The engine binds it before the program starts, and again
when it adopts a running container; what is sent while no engine is there is lost, as in sd_notify itself.
"""

from __future__ import annotations

import errno
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from ...errors import EngineError
from ...linux import namespace
from ...networks.inside import inside
from ..spec import probing

if TYPE_CHECKING:
    from collections.abc import Callable

    from .container import Container
    from .service import Containers

_DATAGRAM = 4096
_AT_ONCE = 64
"""Datagrams that are read in one go: whoever sends without end must not keep the loop."""
_PAUSE = 0.25
"""Seconds between two goes: a program that sends without end must not keep the engine busy either. Others wait for READY=1 that
long at worst, after something else was sent."""
_STATUS_LENGTH = 200


class Inbox:
    """What has been told so far; ``status`` is the last STATUS= line."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._next = 0.0
        self.status = ""
        self.closed = False

    def take(self) -> bool:
        """Read what is there: whether READY=1 is among it."""
        ready = False
        for _ in range(_AT_ONCE):
            try:
                data = self._connection.recv(_DATAGRAM)
            except BlockingIOError:
                break
            for line in data.split(b"\n"):
                name, _, value = line.partition(b"=")
                ready = ready or (name == b"READY" and value.strip() == b"1")
                if name == b"STATUS":
                    self.status = value.decode(errors="replace")[:_STATUS_LENGTH]
        return ready

    def forget(self) -> None:
        """Drop what an earlier run has told. The kernel queues fewer datagrams than are read at once (net.unix.max_dgram_qlen),
        and who shares the namespace may send without end: what comes from now on is no earlier run's."""
        self.take()
        self.status = ""

    async def more_or(self, container: Container, over: Callable[[], bool]) -> None:
        """Wait until something was sent or ``over`` holds; never sooner than `_PAUSE` after the last time."""

        async def until_over() -> None:
            await container.until(over)
            group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(until_over)
            await anyio.sleep_until(self._next)
            with suppress(anyio.ClosedResourceError):
                await anyio.wait_readable(self._connection)
            self._next = anyio.current_time() + _PAUSE
            group.cancel_scope.cancel()

    def close(self) -> None:
        self.closed = True
        anyio.notify_closing(self._connection)
        self._connection.close()


def bind(container_id: str, network: int | None) -> Inbox:
    """Bind the socket in the namespace ``network``, in the engine's own for None. Blocks. Raises EngineError."""
    address = probing.notify_socket(container_id)

    def work() -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            made.bind("\0" + address[1:])
        except BaseException:
            made.close()
            raise
        return made

    try:
        return Inbox(work() if network is None else inside(network, work))
    except OSError as error:
        reason = "somebody has taken it" if error.errno == errno.EADDRINUSE else error.strerror
        raise EngineError(f"cannot bind the socket {address[:28]}… for sd_notify: {reason}") from None


async def ensure(containers: Containers, container: Container) -> Inbox:
    """The inbox of a running container, bound now where it is not. Raises EngineError, ProcessLookupError."""
    if container.inbox is None:
        state = container.state
        network = namespace.open_of(state.pid, state.pid_starttime, "net")
        try:
            container.inbox = await containers.blocking(bind, container.id, network)
        finally:
            os.close(network)
    return container.inbox
