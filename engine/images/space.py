"""Room on the disk, for what others may send without end: archives, layers, downloads."""

from __future__ import annotations

import errno
import os

from .. import bounds

_LOOK = 64 * bounds.MIB
"""Bytes written between looks at the disk's free space; on a small one no more than its reserve."""


class Space:
    """Room on the disk that an open file or directory is on. Each writer of something has one of its own."""

    def __init__(self, place: int) -> None:
        self._place = place
        self._written = 0
        disk = os.fstatvfs(place)
        self._reserve = min(disk.f_blocks * disk.f_frsize // bounds.DISK_PART, bounds.DISK_RESERVE)
        self._look = min(_LOOK, self._reserve)

    def take(self, name: str | bytes, size: int) -> None:
        """Say that ``size`` bytes are going to be written; OSError ENOSPC while there is still room for everybody else."""
        self._written += size
        if self._written < self._look:
            return
        self._written = 0
        disk = os.fstatvfs(self._place)
        if disk.f_bavail * disk.f_frsize - size < self._reserve:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fsdecode(name))
