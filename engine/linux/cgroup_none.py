"""A container without control groups: its processes are those of its pid namespace, or where it has none of its own, of its mount
namespace. They are counted and stopped one by one."""

from __future__ import annotations

import errno
import os
import signal
import time
from typing import TYPE_CHECKING

from . import process
from .cgroup import Cgroup, Hierarchies

if TYPE_CHECKING:
    from . import oci

_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_PAUSE = 0.001
"""Seconds between two looks: the kernel tells nobody but its parent that a process has stopped, which it does once it has a processor."""


class Unconfined(Cgroup):
    """``first`` is the container's first process, as the engine sees it, ``kind`` the namespace that tells its own. What has ended counts no more in :meth:`stats`."""

    def __init__(self, path: str, first: int, kind: str) -> None:
        super().__init__(Hierarchies({}, None), path)
        self._first = first
        self._kind = kind

    @property
    def directories(self) -> tuple[str, ...]:
        return ()

    @property
    def controls_devices(self) -> bool:
        return False

    def create(self) -> tuple[str, ...]:
        return ()

    def apply(self, resources: oci.Resources) -> tuple[str, ...]:
        return ()  # who asks for limits has been told (spec/resources.py)

    def join_self(self) -> None:
        """There is nothing to join."""

    def procs(self) -> list[int]:
        return process.of_same_namespace(self._kind, self._first)

    def freeze(self, timeout: float = 2.0) -> None:
        """With SIGSTOP, until nobody is left who runs. Raises TimeoutError, thawed again."""
        deadline = time.monotonic() + timeout
        while running := [pid for pid in self.procs() if not process.is_stopped(pid)]:
            if time.monotonic() >= deadline:
                self.thaw()
                raise TimeoutError(errno.ETIMEDOUT, f"processes did not stop within {timeout} s", str(self._first))
            process.signal_all(running, signal.SIGSTOP)
            time.sleep(_PAUSE)

    def thaw(self) -> None:
        process.signal_all(self.procs(), signal.SIGCONT)

    def frozen(self) -> bool:
        found = self.procs()
        return bool(found) and all(process.is_stopped(pid) for pid in found)

    def kill(self) -> None:
        process.signal_all(self.procs(), signal.SIGKILL)

    def stats(self) -> oci.Counters:
        found = self.procs()
        user, kernel, memory = process.usage(found)
        usage: oci.CpuUsage = {"total": (user + kernel) * _TICK, "user": user * _TICK, "kernel": kernel * _TICK}
        return {"pids": {"current": len(found)}, "cpu": {"usage": usage}, "memory": {"usage": {"usage": memory}}}

    def oom_kills(self) -> int:
        return 0

    def oom_fd(self) -> int | None:
        return None
