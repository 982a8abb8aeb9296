"""How long the event loop's thread was held by one callback, and by which: everybody waits for it.

    anyio.run(main, backend_options={"loop_factory": partial(watched_loop, report)})

The loop's selector tells when a turn begins and ends, which costs a microsecond. While turns are taken a thread looks every
few hundredths of a second whether it is still the same one; while the loop waits for events that thread waits as well. Time
in which the kernel let other processes have the processor is not counted (the thread's run delay, /proc/…/schedstat).
"""

from __future__ import annotations

import asyncio
import logging
import os
import selectors
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .meters import TURNS, Histogram

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)

LIMIT = 0.2
"""Seconds."""
LOOK = 0.04
FIRST = 0.02
"""Before the first look at a turn: nearly all are over by then, and the kernel is asked nothing about them."""
MOST = 16
"""Descriptors whose callbacks run in one turn."""
REPORT_VARIABLE = "PYCOMPOSE_LOOP_REPORT"
"""Names a file to which reports are appended as well; tests that start an engine set it."""


@dataclass(frozen=True, slots=True)
class Held:
    """The loop's thread was held for ``seconds`` by ``task`` (a request, where it serves one), at ``stack``. ``others`` is
    what other threads were at: one that keeps the interpreter to itself holds the loop as well."""

    seconds: float
    task: str
    stack: str
    others: Sequence[str]

    def __str__(self) -> str:
        others = "".join(f"\n  beside it: {other}" for other in self.others)
        return f"the loop was held for {self.seconds * 1000:.0f} ms by {self.task}\n{self.stack}{others}"


def report(held: Held) -> None:
    """Log it."""
    log.warning("%s", held)
    if path := os.environ.get(REPORT_VARIABLE):
        with open(path, "a") as file:
            file.write(f"{held}\n")


def report_wait(what: str) -> None:
    """The loop's thread, which calls this, is about to wait for a disk: that is a fault however long it takes."""
    try:
        task = asyncio.current_task()
    except RuntimeError:  # the loop has not begun, or has ended: nobody else waits
        return
    stack = "".join(traceback.format_stack())
    report(Held(0.0, f"{what}, in {task.get_name() if task is not None else 'a callback'}", stack, ()))


class WatchedLoop(asyncio.SelectorEventLoop):
    """An event loop with a watchdog."""

    def __init__(self, watchdog: Watchdog) -> None:
        super().__init__(watchdog.selector)
        self.watchdog = watchdog


def turns() -> Histogram | None:
    """How long the turns of the running loop took; None where it has no watchdog."""
    loop = asyncio.get_running_loop()
    return loop.watchdog.turns if isinstance(loop, WatchedLoop) else None


def watched_loop(report: Callable[[Held], None] = report) -> asyncio.AbstractEventLoop:
    """A new event loop, for the calling thread, with a watchdog."""
    watchdog = Watchdog(report)
    loop = WatchedLoop(watchdog)
    watchdog.begin(loop)
    return loop


class Watchdog:
    def __init__(self, report: Callable[[Held], None]) -> None:
        self.selector = _Selector(self)
        self._report = report
        self._turn = 0
        self._began: float | None = None  # None while the loop waits for events
        self._wake = threading.Event()
        self._parked = False
        self._closed = False
        self.turns = Histogram(TURNS)
        self._told = -1  # the turn that was reported
        self._computed = 0.0  # the thread's time of computing when the turn began

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thread = threading.get_ident()
        self._schedstat = f"/proc/self/task/{threading.get_native_id()}/schedstat"
        threading.Thread(target=self._look, name="watchdog", daemon=True).start()

    # on the loop's thread ---------------------------------------------------------------------------------------------
    def turn(self) -> None:
        self._turn += 1
        self._began = time.monotonic()
        self._computed = time.thread_time()
        if self._parked:
            self._parked = False
            self._wake.set()

    def rest(self) -> None:
        began, self._began = self._began, None
        if began is not None:
            self.turns.observe(time.monotonic() - began)
        if began is None or time.monotonic() - began < LIMIT or self._told == self._turn:
            return
        # The other thread did not see it. Where this one has computed all the time, it kept the interpreter to itself.
        if (held := time.thread_time() - self._computed) >= LIMIT:
            self._report(Held(held, "something that kept the interpreter to itself", "", ()))

    def close(self) -> None:
        self._closed = True
        self._wake.set()

    # on its own -------------------------------------------------------------------------------------------------------
    def _look(self) -> None:
        while not self._closed:
            turn, began = self._turn, self._began
            if began is None:
                # Nothing to look at, until a turn begins.
                self._wake.clear()
                self._parked = True
                if self._began is None and self._turn == turn:
                    self._wake.wait()
                self._parked = False
                continue
            self._follow(turn)

    def _follow(self, turn: int) -> None:
        """Look at one turn until it is over or has been reported. Most are over at the first look, which asks nothing."""
        time.sleep(FIRST)
        if self._turn != turn:
            return
        first, delay, starved = time.monotonic(), self._delay(), 0.0
        while self._turn == turn and self._began is not None and not self._closed:
            looked, computed = time.monotonic(), time.process_time()
            time.sleep(LOOK)
            # This thread wakes up late when another has the interpreter. Where nobody has computed meanwhile, that one waits
            # for a processor, and so does the loop behind it.
            late = time.monotonic() - looked - LOOK
            starved += max(0.0, late - (time.process_time() - computed))
            held = time.monotonic() - first - (self._delay() - delay) - starved
            if held >= LIMIT and self._told != turn and self._turn == turn and self._began is not None:
                self._told = turn
                self._report(self._describe(held))

    def _delay(self) -> float:
        """How long the loop's thread has waited for a processor, in seconds; 0 where the kernel does not count it."""
        try:
            with open(self._schedstat) as file:
                return int(file.read().split()[1]) / 1e9
        except (OSError, IndexError):
            return 0.0

    def _describe(self, held: float) -> Held:
        frames = sys._current_frames()
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        stack = "".join(traceback.format_stack(frames[self._thread])) if self._thread in frames else ""
        own = threading.get_ident()
        others = [
            f"{names.get(ident, '?')} at {frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}"
            for ident, frame in frames.items()
            if ident not in (own, self._thread) and frame.f_code.co_name not in ("wait", "get")
        ]
        task = asyncio.current_task(self._loop)
        return Held(held, task.get_name() if task is not None else "a callback", stack, others)


class _Selector(selectors.EpollSelector):
    """A turn begins with MOST descriptors: hundreds that are ready at once would make one turn of all their callbacks."""

    def __init__(self, watchdog: Watchdog) -> None:
        super().__init__()
        self._watchdog = watchdog
        self._turns = 0
        self._left: dict[int, int] = {}

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._watchdog.rest()
        try:
            ready = super().select(timeout)
            if len(ready) > MOST:
                # The kernel tells of the others again. Who has waited longest comes first then: who is always ready keeps nobody out.
                self._turns += 1
                since = {key.fd: self._left.get(key.fd, self._turns) for key, _ in ready}
                ready.sort(key=lambda one: since[one[0].fd])
                self._left = {key.fd: since[key.fd] for key, _ in ready[MOST:]}
                del ready[MOST:]
            return ready
        finally:
            self._watchdog.turn()

    def close(self) -> None:
        self._watchdog.close()
        super().close()
