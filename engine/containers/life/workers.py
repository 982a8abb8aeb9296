"""Threads for what blocks, some of them standing ready before they are needed.

``Thread.start`` waits until the new thread says that it runs. One that dies before that, for want of memory, never says so
(CPython), and whoever has started it waits for ever. So the event loop starts none: a few stand from the beginning and stay,
and more are started by a thread that does nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import queue
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.lowlevel

from ...linux import threads

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

log = logging.getLogger(__name__)

READY = 3
"""Threads that stand from the beginning."""
_IDLE_SECONDS = 10.0
"""After which one that was added goes again."""
_RETRY_SECONDS = 0.05


class Workers:
    """At most ``most`` threads. ``run`` is for the thread of an event loop, ``close`` for the end."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._free = 0
        self._wanted = threading.Event()
        self._closing = False

    def begin(self) -> None:
        """Start those that stand ready, and the one that starts others. Repeating it does nothing."""
        if self._threads:
            return
        self._threads = READY
        for _ in range(READY):
            threading.Thread(target=self._serve, args=(True,), name="worker", daemon=True).start()
        threading.Thread(target=self._recruit, name="recruiter", daemon=True).start()

    async def run(self, work: Callable[[], T]) -> T:
        """``work()``, done by one of the threads; a cancelled caller still waits for it to end."""
        await anyio.lowlevel.checkpoint_if_cancelled()
        self.begin()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._jobs.put(partial(_do, work, contextvars.copy_context(), loop, answer))
        if self._free < self._jobs.qsize() and self._threads < self._most:
            self._wanted.set()
        with anyio.CancelScope(shield=True):
            await answer
        return answer.result()

    def close(self) -> None:
        """Let the threads end that have nothing to do. Those at work are not waited for."""
        self._closing = True
        self._wanted.set()
        for _ in range(self._threads):
            self._jobs.put(None)

    def _recruit(self) -> None:
        while not self._closing:
            self._wanted.wait()
            self._wanted.clear()
            while not self._closing and self._free < self._jobs.qsize() and self._threads < self._most:
                self._count(1)
                try:
                    threads.begin(partial(self._serve, False))
                except MemoryError as error:  # those there are go on
                    self._count(-1)
                    log.warning("no further thread can be had: Cannot allocate memory (%s)", error)
                    break

    def _count(self, change: int) -> None:
        with self._lock:
            self._threads += change

    def _serve(self, stays: bool) -> None:
        while True:
            with self._lock:
                self._free += 1
            try:
                job = self._jobs.get(timeout=None if stays else _IDLE_SECONDS)
            except queue.Empty:
                job = None
            finally:
                with self._lock:
                    self._free -= 1
            if job is None:
                self._count(-1)
                return
            job()
            del job  # what it refers to is not kept until the next one


def _do(
    work: Callable[[], T], context: contextvars.Context, loop: asyncio.AbstractEventLoop, answer: asyncio.Future[T]
) -> None:
    try:
        told = partial(_answer, answer, context.run(work))
    except BaseException as error:  # handed to the caller, whatever it is
        told = partial(_refuse, answer, error)
    while True:
        try:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits
                loop.call_soon_threadsafe(told)
            return
        except MemoryError:
            time.sleep(_RETRY_SECONDS)  # the caller waits for nothing else, and nobody tells when there is memory


def _answer(answer: asyncio.Future[T], result: T) -> None:
    if not answer.done():
        answer.set_result(result)


def _refuse(answer: asyncio.Future[T], error: BaseException) -> None:
    if isinstance(error, StopIteration):  # which no future takes
        error = RuntimeError("a generator's end left the work that was done by a thread")
    if not answer.done():
        answer.set_exception(error)
