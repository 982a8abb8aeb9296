"""A hint for ext2, ext3 and ext4: what is made in this directory belongs to trees of their own, so lay them out far apart.

Ext4 puts a directory beside its parent otherwise. Without a journal it also leaves an inode alone for a minute (five when it
has not been written yet) after its deletion, and steps over each such inode at every creation: a volume that is deleted and filled
again in the same block group pays up to a millisecond a file. Other file systems do not know the flag, and do not need it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_LONG = struct.Struct("l")
_GETFLAGS = 0x80006601 | _LONG.size << 16
_SETFLAGS = 0x40006602 | _LONG.size << 16
_TOPDIR = 0x00020000
_UNKNOWN = (errno.ENOTTY, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM, errno.EACCES, errno.EROFS)


def spread(directory: Path) -> bool:
    """Set the flag (as ``chattr +T`` does); False where the file system has none or does not let us."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        (flags,) = _LONG.unpack(fcntl.ioctl(descriptor, _GETFLAGS, _LONG.pack(0)))
        if not flags & _TOPDIR:
            fcntl.ioctl(descriptor, _SETFLAGS, _LONG.pack(flags | _TOPDIR))
    except OSError as error:
        if error.errno in _UNKNOWN:
            return False
        raise
    finally:
        os.close(descriptor)
    return True
