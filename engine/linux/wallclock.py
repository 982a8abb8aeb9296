"""Waiting for a moment of the wall clock: a timer that a sleeping machine and a clock that is set do not lead astray.

The kernel makes the descriptor readable at the moment, after a suspend that lasted longer, and whenever the clock is set:
whoever waits then looks at the clock again. Python has these timers from 3.13 on.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import c_int, c_long, c_void_p

from . import libc

_CLOCK_REALTIME = 0
_TFD_NONBLOCK, _TFD_CLOEXEC = os.O_NONBLOCK, os.O_CLOEXEC
_TFD_TIMER_ABSTIME, _TFD_TIMER_CANCEL_ON_SET = 1, 2

_create = ctypes.CDLL(None, use_errno=True).timerfd_create
_create.argtypes = (c_int, c_int)
_settime = ctypes.CDLL(None, use_errno=True).timerfd_settime
_settime.argtypes = (c_int, c_int, c_void_p, c_void_p)


def create() -> int:
    """A timer's descriptor. Raises KernelError."""
    return libc.check(_create(_CLOCK_REALTIME, _TFD_NONBLOCK | _TFD_CLOEXEC), "timerfd_create")


def arm(descriptor: int, moment: float) -> None:
    """Make it readable at ``moment`` (seconds since the epoch, at once when that is over) and when the clock is set."""
    seconds = max(0, int(moment))
    value = (c_long * 4)(0, 0, seconds, max(1, int((moment - seconds) * 1e9)))
    flags = _TFD_TIMER_ABSTIME | _TFD_TIMER_CANCEL_ON_SET
    libc.check(_settime(descriptor, flags, ctypes.byref(value), None), "timerfd_settime")


def forget(descriptor: int) -> None:
    """Take note of an expiry, so that the descriptor is not readable any more. A clock that was set is reported as an error."""
    try:
        os.read(descriptor, 8)
    except OSError:  # EAGAIN, or ECANCELED after the clock was set
        return
