"""A container's log as tasks of the event loop read it: what is large or cold is read and unpacked in a thread.

async with reading(containers, lambda notify: LogReader(…, follow=notify), follow=True) as feed:
    while data := await feed.take(render): ...
    await feed.grown_or(container, over)
"""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from ...runtime.logread import Entry, LogReader, Notify
    from ..life.container import Container
    from ..life.service import Containers

FIRST_OUTPUT_SECONDS = 0.1
AT_ONCE = 1 << 18
"""Bytes of a log that are read before they are sent: what each client that does not read costs."""


@asynccontextmanager
async def reading(
    containers: Containers, make: Callable[[Notify | None], LogReader], *, follow: bool, from_end: bool = False
) -> AsyncIterator[Feed]:
    """The feed of the reader that ``make`` gives, closed at the end. Finding a place in a log may mean to read all of it,
    so it is done in a thread, but for ``from_end``: what is written from this moment on must not be missed."""
    notify = containers.logs.follower() if follow else None
    try:
        reader = make(notify) if from_end else await containers.blocking(make, notify)
        with reader:
            yield Feed(containers, reader)
    finally:
        if notify is not None:
            notify.close()


class Feed:
    """A reader and the threads it may use."""

    def __init__(self, containers: Containers, reader: LogReader) -> None:
        self._containers = containers
        self._reader = reader

    @property
    def ended(self) -> bool:
        """Whether nothing more will come: the entries are later than what was asked for."""
        return self._reader.ended

    async def take(self, render: Callable[[list[Entry]], bytes]) -> bytes:
        """What there is next, rendered; b"" when there is nothing now."""

        def work() -> bytes:
            entries = self._reader.read_available(AT_ONCE)
            return render(entries) if entries else b""

        return work() if self._reader.is_quick() else await self._containers.blocking(work)

    def finish(self, render: Callable[[list[Entry]], bytes]) -> bytes:
        """The lines that have no end."""
        entries = self._reader.finish()
        return render(entries) if entries else b""

    async def grown_or(self, container: Container, over: Callable[[], bool]) -> None:
        """Wait until the log has grown or ``over`` holds."""

        async def until_over() -> None:
            await container.until(over)
            group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(until_over)
            await anyio.wait_readable(self._reader.fileno())
            group.cancel_scope.cancel()

    async def first_output(self, container: Container) -> None:
        """Give a container that has started a moment ago the time to say something, or to end.

        Docker's start takes a tenth of a second longer than ours; scripts that ask for the log right after it rely on that.
        """
        if not container.state.running or container.state.started_at is None:
            return
        left = FIRST_OUTPUT_SECONDS - (time.time_ns() - container.state.started_at) / 1e9
        exits = container.exits
        if left > 0:
            with anyio.move_on_after(left):
                await self.grown_or(container, lambda: ended(container, exits))


def ended(container: Container, exits: int) -> bool:
    """Whether the container has ended (once) since ``exits`` was read, or will not run at all."""
    return container.exits > exits or container.removed
