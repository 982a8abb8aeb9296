"""Reading a file that somebody else has named: bounded, and without waiting for ever.

A Compose file may name a pipe that nobody writes to, /dev/zero, or a disk. ``-f <(command)`` is a pipe too, and meant.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import time

LIMIT = 256 << 20
"""Bytes; what is longer is no configuration, environment, config or secret."""

PATIENCE = 30.0
"""Seconds in which a pipe's writer has to write something."""


def read(path: str | os.PathLike[str], limit: int = LIMIT) -> bytes:
    """The whole content of ``path``. Raises OSError, whose text says why, also for what has no end."""
    name = os.fspath(path)
    # Without O_NONBLOCK the open itself waits for a pipe's writer.
    handle = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        kind = os.fstat(handle).st_mode
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
        if stat.S_ISBLK(kind):
            raise OSError(errno.EINVAL, "a disk is no file to read", name)
        pieces, size = [], 0
        while piece := _piece(handle, name):
            size += len(piece)
            if size > limit:
                raise OSError(errno.EFBIG, f"larger than {limit >> 20} MiB", name)
            if stat.S_ISCHR(kind) and size > 1 << 20:
                raise OSError(errno.EINVAL, "a device without end", name)
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        os.close(handle)


def text(path: str | os.PathLike[str], encoding: str = "utf-8", errors: str = "strict") -> str:
    """The content decoded, line ends as they are in Python. Raises OSError, UnicodeDecodeError."""
    return read(path).decode(encoding, errors).replace("\r\n", "\n")


def _piece(handle: int, name: str) -> bytes:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return os.read(handle, 1 << 20)
        except BlockingIOError:
            left = end - time.monotonic()
            if left <= 0 or not select.select([handle], [], [], left)[0]:
                raise TimeoutError(
                    errno.ETIMEDOUT, f"nothing was written to it for {PATIENCE:.0f} seconds", name
                ) from None
