"""The stack for async programs: the same methods, awaited; what blocks runs in a thread.

A call that is cancelled finishes what is under way at the engine first, so that nothing is left half made; `wait` alone ends
at once.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import anyio
import anyio.to_thread

from .stack import Stack

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from typing import Literal, Unpack

    from ..plan.reconcile.options import UpOptions
    from .choices import Chosen, Listener
    from .converge import Convergence
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

    async def wait(self, *services: str) -> dict[str, int]:
        ends = await _in_thread(self.stack.ends, *services)
        try:
            return await anyio.to_thread.run_sync(ends.result, abandon_on_cancel=True)
        finally:
            ends.cancel()

    async def exec(
        self,
        service: str,
        *command: str,
        user: str = "",
        environment: Mapping[str, str] | None = None,
        working_dir: str = "",
        index: int = 0,
    ) -> Completed:
        return await _in_thread(
            self.stack.exec, service, *command, user=user, environment=environment, working_dir=working_dir, index=index
        )

    async def run(self, service: str, *command: str, options: OneOffOptions | None = None) -> Completed:
        return await _in_thread(self.stack.run, service, *command, options=options)

    async def logs(
        self, *services: str, tail: int | None = None, since: str | None = None, timestamps: bool = False
    ) -> str:
        return await _in_thread(self.stack.logs, *services, tail=tail, since=since, timestamps=timestamps)

    async def address(self, service: str, port: int, protocol: str = "tcp", *, index: int = 0) -> tuple[str, int]:
        return await _in_thread(self.stack.address, service, port, protocol, index=index)

    async def environment(self, *services: str) -> dict[str, str]:
        return await _in_thread(self.stack.environment, *services)


async def _in_thread(function: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T:
    return await anyio.to_thread.run_sync(partial(function, *arguments, **keywords))
