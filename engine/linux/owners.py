"""Giving files to users, also where root is the only user there is: then the owner is remembered with the file.

With one mapped id the kernel refuses every other owner. What an image or an archive says is kept in an extended attribute
of files and directories, so that it is there when they are packed again; links, devices and FIFOs have no such place.
"""

from __future__ import annotations

import errno
import os
import stat

from . import userns

ATTRIBUTE = "user.pycompose.owner"


def give(fd: int, uid: int, gid: int) -> None:
    """fchown(2); -1 leaves an id as it is."""
    if not userns.has_one_id():
        os.fchown(fd, uid, gid)
        return
    kept = remembered(fd)
    wanted = (kept[0] if uid == -1 else uid, kept[1] if gid == -1 else gid)
    if wanted != kept and stat.S_IFMT(os.fstat(fd).st_mode) in (stat.S_IFREG, stat.S_IFDIR):
        remember(fd, *wanted)


def give_entry(parent: int, name: str | bytes, uid: int, gid: int) -> None:
    """The same for an entry that is no regular file and no directory; a link itself, not what it leads to."""
    if not userns.has_one_id():
        os.chown(name, uid, gid, dir_fd=parent, follow_symlinks=False)


def remembered(fd: int) -> tuple[int, int]:
    """Who a file belongs to where ids cannot be given: the one that was remembered, else root."""
    return told(fd) or (0, 0)


def told(fd: int) -> tuple[int, int] | None:
    """Who is remembered as a file's owner; None where nobody is."""
    try:
        uid, _, gid = os.getxattr(fd, ATTRIBUTE).decode("ascii").partition(":")
        return int(uid), int(gid)
    except (OSError, ValueError):
        return None


def remember(fd: int, uid: int, gid: int) -> None:
    """Keep an owner with the file, where its file system has room for that."""
    try:
        os.setxattr(fd, ATTRIBUTE, f"{uid}:{gid}".encode())
    except OSError as error:
        if error.errno not in (errno.ENOTSUP, errno.EPERM):
            raise


def forget(fd: int) -> None:
    """What was remembered counts no more."""
    try:
        os.removexattr(fd, ATTRIBUTE)
    except OSError as error:
        if error.errno not in (errno.ENODATA, errno.ENOTSUP, errno.EPERM):
            raise
