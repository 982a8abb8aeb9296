"""Path resolution below a directory with untrusted content: openat2(2) with RESOLVE_IN_ROOT.

Symbolic links, ``..`` and absolute names mean what they would mean inside the container, and never lead out. Missing
parts of a mount destination are created on the way. Returned descriptors are O_PATH and close on exec.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat

from . import libc
from .libc import KernelError

RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

_LINKS = 40


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def open_in_root(root_fd: int, path: str, flags: int = os.O_PATH, *, mode: int = 0, symlinks: bool = True) -> int:
    """Open ``path`` as a process whose root directory is ``root_fd`` would. Raises KernelError."""
    return _open(root_fd, path, flags, mode, RESOLVE_IN_ROOT | (0 if symlinks else RESOLVE_NO_SYMLINKS))


def open_beneath(root_fd: int, path: str, flags: int = os.O_PATH) -> int:
    """Open ``path`` below ``root_fd``; a link or ``..`` that would leave it is refused (EXDEV) and not bent back."""
    return _open(root_fd, path, flags, 0, RESOLVE_BENEATH)


def open_same_mount(parent: int, name: str | bytes, flags: int) -> int:
    """Open an entry of a directory; EXDEV for one that something is mounted on, ELOOP for a link."""
    return _open(parent, os.fsdecode(name), flags, 0, RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS)


def _open(root_fd: int, path: str, flags: int, mode: int, resolve: int) -> int:
    resolve |= RESOLVE_NO_MAGICLINKS
    how = _OpenHow(flags | os.O_CLOEXEC, mode, resolve)
    size = ctypes.c_size_t(ctypes.sizeof(how))
    while True:
        try:
            return libc.call(libc.SYS_OPENAT2, "openat2", path, root_fd, os.fsencode(path), ctypes.byref(how), size)
        except KernelError as error:
            # A rename elsewhere on the system makes the kernel ask for another try.
            if error.errno != errno.EAGAIN:
                raise


def make_directory(root_fd: int, path: str, mode: int = 0o755) -> int:
    """Open the directory ``path`` below ``root_fd``, creating what is missing of it."""
    return _make(root_fd, path, mode, directory=True, links=_LINKS)


def make_file(root_fd: int, path: str, mode: int = 0o644) -> int:
    """Open the non-directory ``path`` below ``root_fd``; create an empty file, and its parents, when it is missing."""
    return _make(root_fd, path, mode, directory=False, links=_LINKS)


def _make(root_fd: int, path: str, mode: int, *, directory: bool, links: int) -> int:
    kind = os.O_DIRECTORY if directory else 0
    try:
        return open_in_root(root_fd, path, os.O_PATH | kind)
    except KernelError as error:
        if error.errno != errno.ENOENT or links == 0:
            raise
    parent_path, name = os.path.split(path.rstrip("/"))
    if name in ("", ".", ".."):
        raise KernelError(errno.ENOENT, "mkdir", path)
    parent = _make(root_fd, parent_path or "/", 0o755, directory=True, links=links)
    try:
        if directory:
            os.mkdir(name, mode, dir_fd=parent)
        else:
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
            os.close(os.open(name, flags, mode, dir_fd=parent))
    except FileExistsError:
        # Either someone else was faster, or this is a symbolic link whose target does not exist yet.
        if stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            target = os.path.join(parent_path or "/", os.readlink(name, dir_fd=parent))
            return _make(root_fd, target, mode, directory=directory, links=links - 1)
    except OSError as error:
        raise KernelError(error.errno or 0, "mkdir" if directory else "open", path) from None
    finally:
        os.close(parent)
    return open_in_root(root_fd, path, os.O_PATH | kind)
