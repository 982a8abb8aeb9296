"""From worker threads to the event loop: run something there and wait for its result."""

from __future__ import annotations

import asyncio
from queue import SimpleQueue
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

P = ParamSpec("P")
T = TypeVar("T")


class Bridge:
    """Lets any thread but the loop's run something on the loop, and wait for it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def call(self, function: Callable[P, Coroutine[object, None, T]], *arguments: P.args, **options: P.kwargs) -> T:
        """The coroutine's result, or its exception raised here."""
        # Not by way of the future: it is part of a reference cycle, and its exception would keep the frames of this
        # thread, with megabytes of buffers, until the next garbage collection.
        answers: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

        async def run() -> None:
            try:
                answers.put((await function(*arguments, **options), None))
            except BaseException as error:
                answers.put((None, error))

        asyncio.run_coroutine_threadsafe(run(), self._loop)
        result, failure = answers.get()
        if failure is None:
            return cast("T", result)
        try:
            raise failure
        finally:
            del failure
