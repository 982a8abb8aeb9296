"""Local files as members of a tar, whatever becomes of them while they are read."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO


def member(found: os.stat_result, path: str, name: str) -> tarfile.TarInfo | None:
    """The header of a file that is no hard link to an earlier one, owned by root; None for a socket, which a tar cannot hold.
    ``found`` is the file's stat. Raises OSError."""
    info = tarfile.TarInfo(name)
    info.mode, info.mtime = stat.S_IMODE(found.st_mode), found.st_mtime
    if stat.S_ISREG(found.st_mode):
        info.size = found.st_size
    elif stat.S_ISDIR(found.st_mode):
        info.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(found.st_mode):
        info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)
    elif stat.S_ISFIFO(found.st_mode):
        info.type = tarfile.FIFOTYPE
    elif stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode):
        info.type = tarfile.CHRTYPE if stat.S_ISCHR(found.st_mode) else tarfile.BLKTYPE
        info.devmajor, info.devminor = os.major(found.st_rdev), os.minor(found.st_rdev)
    else:
        return None
    return info


def add_file(tar: tarfile.TarFile, info: tarfile.TarInfo, path: str, *, follow: bool = False) -> None:
    """Append a regular file with its content, as long as it is now. Raises OSError."""
    # O_NONBLOCK: a FIFO may have taken the file's place, and would hold us until somebody writes.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    with open(path, "rb", opener=lambda name, _: os.open(name, flags)) as file:
        info.size = os.fstat(file.fileno()).st_size
        tar.addfile(info, _Whole(file))


class _Whole(io.RawIOBase):
    """A file that is as long as it was: what is cut off meanwhile reads as zeros."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        return self._file.read(size).ljust(max(size, 0), b"\0")
