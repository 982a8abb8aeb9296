"""The keeper's side of the uplink: it forks it where the engine has a network namespace of its own, and forks it again.

    uplink ── reads ── run/uplink (a FIFO) ── written to by nobody, held open by ── keeper and shims

The FIFO tells both sides of the other's end, and needs no pid: an uplink without a writer has nobody left who would use it,
and a writer without a reader has no uplink. So the uplink outlives a keeper for as long as there are shims, and the next keeper
finds it.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from typing import TYPE_CHECKING

from ..linux import process
from . import ownlog

if TYPE_CHECKING:
    from pathlib import Path

    from .loop import Loop

_EARLY = 5.0
_FIRST_DELAY = 0.1
_LONGEST_DELAY = 5.0
"""Seconds until the next one: more each time when one has ended within _EARLY seconds of its start."""


class Outlet:
    """One uplink at a time, for the namespace behind ``network``."""

    def __init__(self, loop: Loop, network: int, path: Path) -> None:
        self._loop = loop
        self._network = network
        self._path = path
        self._started = 0.0
        self._delay = _FIRST_DELAY
        self._child = -1
        self.lifeline = self._of_a_predecessor()
        """Whoever holds it keeps the uplink alive: for shims to inherit. -1 between two uplinks."""
        if self.lifeline >= 0:
            self._loop.watch(self.lifeline, lambda _: self._ended(), 0)
        else:
            self._start()

    def close(self, patience: float) -> None:
        """Let go of it: it ends with the last shim. One that we have forked is waited for, ``patience`` seconds at most."""
        self._let_go()
        if self._child >= 0:
            poller = select.poll()
            poller.register(self._child, select.POLLIN)
            poller.poll(patience * 1000)
            self._reap(self._child)

    def _of_a_predecessor(self) -> int:
        """The lifeline of an uplink that is there; -1 without one."""
        try:
            return os.open(self._path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return -1  # no FIFO, or nobody who reads; whatever else it is, making one says it

    def _start(self) -> None:
        try:
            self._fork()
        except OSError as error:
            ownlog.say("outlet", f"no way out for containers: {error}")
            self._ended()

    def _fork(self) -> None:
        with contextlib.suppress(FileExistsError):
            os.mkfifo(self._path, 0o600)
        reader = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            lifeline = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            self.lifeline, self._started = lifeline, time.monotonic()
            pid = os.fork()
            if pid == 0:
                self._become(reader)
        finally:
            os.close(reader)
        child = self._child = os.pidfd_open(pid)
        self._loop.watch(child, lambda _: self._reap(child))
        self._loop.watch(lifeline, lambda _: self._ended(), 0)

    def _become(self, lifeline: int) -> None:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            process.close_all_except([0, 1, 2, self._network, lifeline])
            # Here, since only this process has use for threads.
            from . import uplink

            uplink.main(self._network, lifeline)
            code = 0
        except BaseException:
            # The last frame before the process ends: say what happened, whatever it is.
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(code)

    def _reap(self, child: int) -> None:
        """Only of our own children: a predecessor's uplink is somebody else's."""
        if process.reap(child) is not None:
            self._loop.forget(child)
            os.close(child)
            if child == self._child:
                self._child = -1

    def _ended(self) -> None:
        """Nobody reads any more. What shims hold is good for the next one too, which reads the same FIFO."""
        self._let_go()
        early = time.monotonic() - self._started < _EARLY
        self._delay = min(self._delay * 2, _LONGEST_DELAY) if early else _FIRST_DELAY
        self._loop.after(self._delay, self._start)

    def _let_go(self) -> None:
        if self.lifeline >= 0:
            self._loop.forget(self.lifeline)
            os.close(self.lifeline)
            self.lifeline = -1
