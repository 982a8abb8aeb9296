"""Entries of directories with untrusted content, named by the parent's descriptor and one component; no link is followed.

paths.py finds a place below a root, this module acts there. A name may be exchanged for a link, a device or another file
between any two system calls, so what is changed or read twice is opened once, without effect (O_PATH), looked at, and
used through that descriptor alone. Lint forbids the calls by name in the packages that touch untrusted trees
(tests/unit/test_paths_by_descriptor.py).
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from . import overlay, owners
from .libc import KernelError

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PIN = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def open_root(path: str | os.PathLike[str]) -> int:
    """A directory of the engine's own (or one the user has named), by name: what is below it is reached from here."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def open_directory(parent: int, name: str | bytes) -> int:
    """A directory for reading. Raises OSError: ENOTDIR or ELOOP when the entry is anything else."""
    return os.open(name, _DIRECTORY, dir_fd=parent)


def create_file(parent: int, name: str | bytes) -> int:
    """A new, empty regular file for writing, that only root may open. Raises FileExistsError for whatever is there."""
    return os.open(name, _CREATE, 0o600, dir_fd=parent)


def make_directory(parent: int, name: str | bytes, mode: int = 0o700) -> int:
    """Make a directory and open it."""
    os.mkdir(name, mode, dir_fd=parent)
    return open_directory(parent, name)


@contextmanager
def pinned(parent: int, name: str | bytes) -> Iterator[int]:
    """The entry itself, whatever it is, for looking at; a device or a FIFO is not woken by it."""
    fd = os.open(name, _PIN, dir_fd=parent)
    try:
        yield fd
    finally:
        os.close(fd)


def open_regular(parent: int, name: str | bytes) -> int | None:
    """A regular file for reading; None when the entry is anything else by now.

    Opening by name would start what a device does when it is opened (a watchdog, a tape) before it can be told apart.
    """
    with pinned(parent, name) as fd:
        return reopen(fd) if stat.S_ISREG(os.fstat(fd).st_mode) else None


def read_link(parent: int, name: str | bytes) -> bytes | None:
    """Where a symbolic link leads; None when the entry is no link (any more)."""
    try:
        return os.readlink(os.fsencode(name), dir_fd=parent)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOENT):
            return None
        raise


def reopen(fd: int, flags: int = os.O_RDONLY) -> int:
    """What an O_PATH descriptor refers to, opened; not for links."""
    return os.open(f"/proc/self/fd/{fd}", flags | os.O_CLOEXEC)


def set_mode(parent: int, name: str | bytes, mode: int, kind: int) -> None:
    """Change the mode of the entry, which must still be of the ``kind`` (of stat.S_IFMT) its maker made it.

    fchmodat(2) follows links, and fchmodat2 came with Linux 6.6; a descriptor's own entry in /proc leads to the inode
    and nowhere else. Raises KernelError ELOOP for what somebody has put in its place.
    """
    with pinned(parent, name) as fd:
        if stat.S_IFMT(os.fstat(fd).st_mode) != kind:
            raise KernelError(errno.ELOOP, "chmod", os.fsdecode(name), "exchanged since it was made")
        os.chmod(f"/proc/self/fd/{fd}", mode)


def link(fd: int, parent: int, name: str | bytes) -> None:
    """One more name for what an O_PATH descriptor refers to. Raises OSError."""
    os.link(f"/proc/self/fd/{fd}", name, dst_dir_fd=parent, follow_symlinks=True)


def copy_attributes(source: int, target: int) -> None:
    """Owner, mode and extended attributes of one open file for another; overlayfs' own marks stay where they are."""
    info = os.fstat(source)
    owners.give(target, info.st_uid, info.st_gid)
    os.fchmod(target, stat.S_IMODE(info.st_mode))
    for name in os.listxattr(source):
        if not name.startswith(overlay.PREFIX):
            try:
                os.setxattr(target, name, os.getxattr(source, name))
            except OSError as error:
                if error.errno not in (errno.ENOTSUP, errno.EPERM):
                    raise


def set_times(fd: int, modified: int, accessed: int | None = None) -> None:
    """Times of an open file in nanoseconds since the epoch."""
    os.utime(fd, ns=(modified if accessed is None else accessed, modified))
