"""The lock of a root: one keeper at a time. The file says whose it is, for people; the lock is the kernel's."""

from __future__ import annotations

import errno
import fcntl
import os


def take(path: str) -> int | None:
    """The locked file, or None when someone else holds it. Raises OSError."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        # The holder before us may have removed the file between our open and our lock.
        try:
            same = os.path.samestat(os.stat(path), os.fstat(descriptor))
        except FileNotFoundError:
            same = False
        if same:
            _sign(descriptor)
            return descriptor
        os.close(descriptor)


def _sign(descriptor: int) -> None:
    text = f"{os.getpid()}\n".encode()
    try:
        # Over what is there, and cut to length last: a block that a full disk has given is not given back.
        os.pwrite(descriptor, text, 0)
        os.ftruncate(descriptor, len(text))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
