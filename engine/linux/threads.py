"""Starting a thread where memory may be short."""

from __future__ import annotations

import _thread
import ctypes
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_SECONDS = 5.0
"""Until a thread that has not begun counts as dead: on the busiest machine it takes milliseconds."""


def prepare() -> None:
    """Load what the C library loads when the first thread is made to end: without memory for it, it ends the process."""
    with suppress(OSError):  # another C library, which has no need of it
        ctypes.CDLL("libgcc_s.so.1")


def begin(work: Callable[[], object]) -> None:
    """Run ``work`` in a thread of its own, which does not keep the process from ending. Raises MemoryError when none can be had.

    ``threading.Thread.start`` waits for the thread's first word without an end. One that dies before it, for want of memory,
    never says it, and the waiting thread stands still with all that it holds.
    """
    begun, turn = threading.Event(), threading.Lock()
    given_up = False

    def run() -> None:
        with turn:
            if given_up:
                return
            begun.set()
        work()

    try:
        _thread.start_new_thread(run, ())
    except RuntimeError as error:
        raise MemoryError(str(error)) from None
    if begun.wait(_SECONDS):
        return
    with turn:
        given_up = not begun.is_set()
    if given_up:
        raise MemoryError("a thread did not begin")
