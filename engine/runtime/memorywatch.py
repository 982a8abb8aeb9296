"""Tells of processes of a control group that the kernel kills for want of memory, as it happens: the first of them need not be
the container's own."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..linux.cgroup import Cgroup
    from .loop import Loop

_OOM_LOOKS = 5
_OOM_DELAY = 0.01


class MemoryWatch:
    """One run of a container. ``tell`` is called once, at the first such end; ``known`` is how many its control group had
    counted in earlier runs."""

    def __init__(self, loop: Loop, cgroup: Cgroup, known: int, tell: Callable[[], None]) -> None:
        self._loop = loop
        self._cgroup = cgroup
        self._tell = tell
        self._told = self._ended = False
        self.kills = known
        try:
            self._fd = cgroup.oom_fd()
        except OSError:  # no inotify instance left: then the end tells
            self._fd = None
        if self._fd is not None:
            loop.watch(self._fd, lambda _: self._look(_OOM_LOOKS))

    def end(self) -> bool:
        """The run is over; whether anything was killed in it."""
        self._count()
        self._ended = True
        if self._fd is not None:
            self._loop.forget(self._fd)
            os.close(self._fd)
            self._fd = None
        return self._told

    def _look(self, looks: int) -> None:
        """V1 tells before it kills, so look again, a few times and ever later."""
        if self._ended:
            return
        before = self.kills
        self._count()
        if looks and self.kills == before:
            self._loop.after(_OOM_DELAY * 4 ** (_OOM_LOOKS - looks), lambda: self._look(looks - 1))

    def _count(self) -> None:
        if self._fd is not None:
            with contextlib.suppress(BlockingIOError):
                os.read(self._fd, 4096)
        kills = self._cgroup.oom_kills()
        if kills > self.kills:
            self.kills = kills
            if not self._told:
                self._told = True
                self._tell()
