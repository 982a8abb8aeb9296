"""Memory that the shim shares with a process on its way into a container's pid namespace, instead of a descriptor.

Whoever is in that namespace may look into the processes there, and with CAP_SYS_PTRACE write into them: what the shim
believes must not be within their reach. So there are two pages:

- the pid of who becomes the program, which the kernel writes for its maker (clone(2), CLONE_PARENT_SETTID). It is not
  passed on to the program's process at all (MADV_DONTFORK);
- where the last steps have failed: a number of the step and an errno. Who forges these has said that its own exec failed.
"""

from __future__ import annotations

import mmap
import struct
import sys

_VERDICT = struct.Struct("=II")


class Slot:
    """Made by the shim before it forks."""

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, 2 * mmap.PAGESIZE)

    @property
    def pid(self) -> int:
        """As the shim sees it; 0 as long as there is none."""
        return int.from_bytes(self.memory[:4], sys.byteorder)

    def hide_pid(self) -> None:
        """Children of the caller do not get the first page."""
        self.memory.madvise(mmap.MADV_DONTFORK, 0, mmap.PAGESIZE)

    def fail(self, step: int, errno: int) -> None:
        _VERDICT.pack_into(self.memory, mmap.PAGESIZE, step + 1, errno)

    def failure(self) -> tuple[int, int] | None:
        """The number of the step and the errno; None when all has gone well."""
        step, errno = _VERDICT.unpack_from(self.memory, mmap.PAGESIZE)
        return (step - 1, errno) if step else None

    def close(self) -> None:
        self.memory.close()
