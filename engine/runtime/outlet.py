"""The keeper's side of the uplink: it forks it where the engine has a network namespace of its own, and forks it again."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from ..linux import process

if TYPE_CHECKING:
    from .loop import Loop

_EARLY = 5.0
_DELAY = 5.0
"""Seconds until the next one, when one has ended within _EARLY seconds of its start."""


class Outlet:
    """One uplink at a time, for the namespace behind ``network``."""

    def __init__(self, loop: Loop, network: int) -> None:
        self._loop = loop
        self._network = network
        self._handle = -1
        self._started = 0.0
        self._fork()

    def close(self) -> None:
        """End it: nobody is left who would use it."""
        if self._handle >= 0:
            self._loop.forget(self._handle)
            process.send_signal(self._handle, signal.SIGKILL)
            os.waitid(os.P_PIDFD, self._handle, os.WEXITED)
            self._drop()

    def _fork(self) -> None:
        keeper = os.pidfd_open(os.getpid())
        pid = os.fork()
        if pid == 0:
            self._become(keeper)
        os.close(keeper)
        self._handle = os.pidfd_open(pid)
        self._started = time.monotonic()
        self._loop.watch(self._handle, lambda _: self._exited())

    def _become(self, keeper: int) -> None:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            process.close_all_except([0, 1, 2, self._network, keeper])
            # Here, since only this process has use for threads.
            from . import uplink

            uplink.main(self._network, keeper)
            code = 0
        except BaseException:
            # The last frame before the process ends: say what happened, whatever it is.
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(code)

    def _exited(self) -> None:
        code = process.reap(self._handle)
        if code is None:
            return
        self._loop.forget(self._handle)
        self._drop()
        early = time.monotonic() - self._started < _EARLY
        self._loop.after(_DELAY if early else 0.0, self._fork)

    def _drop(self) -> None:
        os.close(self._handle)
        self._handle = -1
