"""What a container leaves behind when its first process ends, where neither a pid namespace of its own nor a control group ends
it: without root, with ``pid: host`` or that of another container. Its processes are known by their mount namespace.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from ..linux import process

if TYPE_CHECKING:
    from ..linux.cgroup import Hierarchies
    from .bundle import ShimSpec

_ROUNDS = 16
"""Often enough for whoever forks meanwhile."""


def hold(spec: ShimSpec, hierarchies: Hierarchies, first: int) -> int:
    """A handle on the namespace of the first process, so that its number is nobody else's later; -1 where none is needed."""
    if hierarchies.any or spec.pid_namespace == "new":
        return -1
    try:
        return os.open(f"/proc/{first}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1  # it has ended at once


def kill(held: int) -> None:
    """End whoever is left, and let go of the handle; nothing for -1."""
    if held < 0:
        return
    own = os.fstat(held)
    for _ in range(_ROUNDS):
        found = [pid for pid in process.of_namespace("mnt", own) if pid != os.getpid()]
        if not found:
            break
        process.signal_all(found, signal.SIGKILL)
    os.close(held)
