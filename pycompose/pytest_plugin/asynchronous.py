"""The stack for async tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from .command import Calls

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .options import CommandResult
    from .stacks import Stack

T = TypeVar("T")


class AsyncStack:
    """`Stack` for async tests: the same methods, awaited; what blocks runs in a thread. Any asyncio or trio loop. A call that is
    cancelled, or runs into a deadline, ends the command behind it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    @property
    def project(self) -> str:
        return self.stack.project

    async def environment(self) -> dict[str, str]:
        return await _in_thread(lambda: self.stack.environment)

    async def run(self, *arguments: str) -> CommandResult:
        return await _in_thread(lambda: self.stack.run(*arguments))

    async def address(self, service: str, port: int, protocol: str = "tcp") -> tuple[str, int]:
        return await _in_thread(lambda: self.stack.address(service, port, protocol))

    async def exec(
        self, service: str, *command: str, user: str = "", environment: Mapping[str, str] | None = None
    ) -> CommandResult:
        return await _in_thread(lambda: self.stack.exec(service, *command, user=user, environment=environment))

    async def logs(self, *services: str, since: str = "", tail: int | None = None) -> str:
        return await _in_thread(lambda: self.stack.logs(*services, since=since, tail=tail))

    async def stop(self, *services: str) -> None:
        await _in_thread(lambda: self.stack.stop(*services))

    async def start(self, *services: str) -> None:
        await _in_thread(lambda: self.stack.start(*services))

    async def restart(self, *services: str) -> None:
        await _in_thread(lambda: self.stack.restart(*services))

    async def kill(self, *services: str, signal: str = "SIGKILL") -> None:
        await _in_thread(lambda: self.stack.kill(*services, signal=signal))

    async def wait_healthy(self, *services: str, timeout: float = 60.0) -> None:  # noqa: ASYNC109  (as in Stack)
        await _in_thread(lambda: self.stack.wait_healthy(*services, timeout=timeout))

    async def save(self, name: str = "saved") -> None:
        await _in_thread(lambda: self.stack.save(name))

    async def reset(self, name: str = "") -> None:
        await _in_thread(lambda: self.stack.reset(name))


async def _in_thread(function: Callable[[], T]) -> T:
    """Cancelled, by a deadline or otherwise, it ends the commands behind the call, and then itself."""
    import anyio
    import anyio.to_thread

    calls = Calls()

    def call() -> T:
        with calls:
            return function()

    try:
        return await anyio.to_thread.run_sync(call, abandon_on_cancel=True)
    except anyio.get_cancelled_exc_class():
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(calls.end)
        raise
