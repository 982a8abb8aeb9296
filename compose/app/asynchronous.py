"""The stack for async programs: the same methods, awaited; what blocks runs in a thread.

A call that is cancelled finishes what is under way at the engine first, so that nothing is left half made. What waits for a
container or a command ends at once: `wait`, the lines of `follow`, and `exec` and `run`, whose commands are ended with it.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import anyio
import anyio.to_thread

from .commands import ExecOptions, begin_exec, begin_run
from .stack import Stack

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Callable, Mapping
    from types import TracebackType
    from typing import Literal, Unpack

    from ..plan.plan import Plan
    from ..plan.reconcile.options import UpOptions
    from .choices import Chosen, Listener
    from .commands import Command, ExecKeywords
    from .converge import Convergence
    from .feed import LogFeed, LogLine
    from .oneoff import OneOffOptions
    from .results import Completed, Container

P = ParamSpec("P")
T = TypeVar("T")


class AsyncStack:
    """`Stack` under asyncio or trio; ``stack`` is the one behind it."""

    def __init__(
        self, *files: str | os.PathLike[str], listener: Listener | None = None, **chosen: Unpack[Chosen]
    ) -> None:
        self.stack = Stack(*files, listener=listener, **chosen)

    async def up(
        self, *services: str, wait: bool = True, wait_timeout: float | None = None, options: UpOptions | None = None
    ) -> Convergence:
        return await _in_thread(self.stack.up, *services, wait=wait, wait_timeout=wait_timeout, options=options)

    async def down(
        self,
        *services: str,
        volumes: bool = False,
        remove_orphans: bool = False,
        images: Literal["", "local", "all"] = "",
        timeout: int | None = None,  # noqa: ASYNC109  (the grace of the containers, as in Stack)
    ) -> Convergence:
        return await _in_thread(
            self.stack.down, *services, volumes=volumes, remove_orphans=remove_orphans, images=images, timeout=timeout
        )

    async def build(self, *services: str, no_cache: bool = False, pull: bool = False) -> Convergence:
        return await _in_thread(self.stack.build, *services, no_cache=no_cache, pull=pull)

    async def plan(self, *services: str, options: UpOptions | None = None) -> Plan:
        return await _in_thread(self.stack.plan, *services, options=options)

    async def create(self, *services: str, options: UpOptions | None = None) -> Convergence:
        return await _in_thread(self.stack.create, *services, options=options)

    async def scale(
        self, replicas: Mapping[str, int], *, wait: bool = True, wait_timeout: float | None = None
    ) -> Convergence:
        return await _in_thread(self.stack.scale, replicas, wait=wait, wait_timeout=wait_timeout)

    async def pull(self, *services: str, missing_only: bool = False) -> Convergence:
        return await _in_thread(self.stack.pull, *services, missing_only=missing_only)

    async def push(self, *services: str) -> list[str]:
        return await _in_thread(self.stack.push, *services)

    @asynccontextmanager
    async def running(
        self,
        *services: str,
        wait_timeout: float | None = None,
        options: UpOptions | None = None,
        volumes: bool | None = None,
    ) -> AsyncIterator[AsyncStack]:
        running = self.stack.running(*services, wait_timeout=wait_timeout, options=options, volumes=volumes)
        with anyio.CancelScope(shield=True):  # what comes up is taken down, whoever gives up meanwhile
            await _in_thread(running.__enter__)
        try:
            yield self
        finally:
            with anyio.CancelScope(shield=True):
                await _in_thread(running.__exit__, None, None, None)

    async def ps(self, *services: str, all: bool = True) -> list[Container]:
        return await _in_thread(self.stack.ps, *services, all=all)

    async def start(self, *services: str, wait: bool = False, wait_timeout: float | None = None) -> None:
        await _in_thread(self.stack.start, *services, wait=wait, wait_timeout=wait_timeout)

    async def stop(self, *services: str, timeout: int | None = None) -> None:  # noqa: ASYNC109  (the grace)
        await _in_thread(self.stack.stop, *services, timeout=timeout)

    async def restart(self, *services: str, timeout: int | None = None, dependants: bool = True) -> None:  # noqa: ASYNC109
        await _in_thread(self.stack.restart, *services, timeout=timeout, dependants=dependants)

    async def kill(self, *services: str, signal: str = "SIGKILL") -> None:
        await _in_thread(self.stack.kill, *services, signal=signal)

    async def pause(self, *services: str) -> None:
        await _in_thread(self.stack.pause, *services)

    async def unpause(self, *services: str) -> None:
        await _in_thread(self.stack.unpause, *services)

    async def rm(self, *services: str, stop: bool = False, volumes: bool = False) -> list[str]:
        return await _in_thread(self.stack.rm, *services, stop=stop, volumes=volumes)

    async def wait(self, *services: str, timeout: float | None = None) -> dict[str, int]:  # noqa: ASYNC109
        ends = await _in_thread(self.stack.ends, *services)
        try:
            return await anyio.to_thread.run_sync(ends.result, timeout, abandon_on_cancel=True)
        finally:
            ends.cancel()

    async def exec(
        self,
        service: str,
        *command: str,
        input: str | bytes | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  (as in Stack)
        **how: Unpack[ExecKeywords],
    ) -> Completed:
        session = self.stack.session
        begun = await _in_thread(begin_exec, session, service, command, input, ExecOptions(**how))
        return await _ended(begun, timeout)

    async def run(
        self,
        service: str,
        *command: str,
        input: str | bytes | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  (as in Stack)
        options: OneOffOptions | None = None,
    ) -> Completed:
        session = await _in_thread(self.stack.session.naming, [service])
        begun = await _in_thread(begin_run, session, service, command, input, options)
        return await _ended(begun, timeout)

    async def logs(
        self, *services: str, tail: int | None = None, since: str | None = None, timestamps: bool = False
    ) -> str:
        return await _in_thread(self.stack.logs, *services, tail=tail, since=since, timestamps=timestamps)

    def follow(self, *services: str, tail: int | None = None, since: str | None = None) -> AsyncLogFeed:
        return AsyncLogFeed(partial(self.stack.follow, *services, tail=tail, since=since))

    async def top(self, *services: str) -> dict[str, list[dict[str, str]]]:
        return await _in_thread(self.stack.top, *services)

    async def copy_to(
        self, service: str, source: str | os.PathLike[str], target: str, *, index: int = 0, archive: bool = False
    ) -> None:
        await _in_thread(self.stack.copy_to, service, source, target, index=index, archive=archive)

    async def copy_from(self, service: str, source: str, target: str | os.PathLike[str], *, index: int = 0) -> None:
        await _in_thread(self.stack.copy_from, service, source, target, index=index)

    async def address(self, service: str, port: int, protocol: str = "tcp", *, index: int = 0) -> tuple[str, int]:
        return await _in_thread(self.stack.address, service, port, protocol, index=index)

    async def environment(self, *services: str) -> dict[str, str]:
        return await _in_thread(self.stack.environment, *services)


class AsyncLogFeed:
    """`LogFeed` for ``async for``, best in an ``async with``, which closes it; opened when the first line is asked for."""

    def __init__(self, opened: Callable[[], LogFeed]) -> None:
        self._opened = opened
        self._feed: LogFeed | None = None

    def __aiter__(self) -> AsyncLogFeed:
        return self

    async def __anext__(self) -> LogLine:
        if self._feed is None:
            self._feed = await _in_thread(self._opened)
        try:
            line = await anyio.to_thread.run_sync(self._feed.next_or_none, abandon_on_cancel=True)
        except anyio.get_cancelled_exc_class():
            self._feed.close()
            raise
        if line is None:
            raise StopAsyncIteration
        return line

    async def __aenter__(self) -> AsyncLogFeed:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """No more lines."""
        if self._feed is not None:
            self._feed.close()


async def _ended(command: Command, timeout: float | None) -> Completed:  # noqa: ASYNC109  (it has to reach the command)
    try:
        return await anyio.to_thread.run_sync(command.result, timeout, abandon_on_cancel=True)
    finally:
        with anyio.CancelScope(shield=True):
            await _in_thread(command.cancel)


async def _in_thread(function: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T:
    return await anyio.to_thread.run_sync(partial(function, *arguments, **keywords))
