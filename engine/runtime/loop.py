"""A small event loop for keeper and shims: descriptors by epoll, timers, nothing else.

asyncio would cost each shim megabytes of private memory. Callbacks run one after the other on the only thread; one that
raises ends the process, as it should.
"""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

READ = select.EPOLLIN
WRITE = select.EPOLLOUT


class Timer:
    """A call in the future; ``cancel`` is always safe."""

    __slots__ = ("callback", "due")

    def __init__(self, due: float, callback: Callable[[], None]) -> None:
        self.due = due
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class Loop:
    """Watches descriptors (level-triggered) and timers until :meth:`stop`."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[int], object]] = {}
        self._timers: list[Timer] = []
        self._running = False

    def watch(self, descriptor: int, callback: Callable[[int], object], events: int = READ) -> None:
        """Call ``callback(ready events)`` whenever the descriptor is ready; errors and hang-ups always count."""
        known = descriptor in self._callbacks
        self._callbacks[descriptor] = callback
        if known:
            self._epoll.modify(descriptor, events)
        else:
            self._epoll.register(descriptor, events)

    def forget(self, descriptor: int) -> None:
        """Stop watching; before the descriptor is closed. Unknown ones are fine."""
        if self._callbacks.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def after(self, seconds: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(time.monotonic() + seconds, callback)
        self._timers.append(timer)
        return timer

    def stop(self) -> None:
        self._running = False

    def run(self) -> None:
        self._running = True
        while self._running:
            self._turn()

    def _turn(self) -> None:
        self._timers = [timer for timer in self._timers if timer.callback is not None]
        timeout = -1.0
        if self._timers:
            timeout = max(0.0, min(timer.due for timer in self._timers) - time.monotonic())
        for descriptor, events in self._epoll.poll(timeout):
            # An earlier callback of this turn may have forgotten it.
            callback = self._callbacks.get(descriptor)
            if callback is not None and self._running:
                callback(events)
        now = time.monotonic()
        for timer in [timer for timer in self._timers if timer.due <= now]:
            call, timer.callback = timer.callback, None
            if call is not None and self._running:
                call()

    def close(self) -> None:
        self._epoll.close()
