"""The C library as seen by the kernel island: one handle, one way to call it, one error.

Everything else in engine/linux declares its argument types here, once, and never again per call. This module knows no
containers; it is not a general binding, only what the island needs.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import c_char_p, c_int, c_long, c_size_t, c_uint32, c_ulong, c_void_p

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
AT_SYMLINK_NOFOLLOW = 0x100

_MACHINE = os.uname().machine

# Numbers from 424 on are the same on every architecture; the older ones have no wrapper in glibc.
SYS_OPEN_TREE = 428
SYS_MOVE_MOUNT = 429
SYS_FSOPEN = 430
SYS_FSCONFIG = 431
SYS_FSMOUNT = 432
SYS_CLONE3 = 435
SYS_CLOSE_RANGE = 436
SYS_OPENAT2 = 437
SYS_PIDFD_GETFD = 438
SYS_MOUNT_SETATTR = 442
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}.get(_MACHINE, 41)
SYS_BPF = {"x86_64": 321, "aarch64": 280}.get(_MACHINE, 280)
SYS_CLONE = {"x86_64": 56, "aarch64": 220}.get(_MACHINE, 220)
SYS_RT_SIGACTION = {"x86_64": 13, "aarch64": 134}.get(_MACHINE, 134)
SYS_SECCOMP = {"x86_64": 317, "aarch64": 277}.get(_MACHINE, 277)
SYS_KEYCTL = {"x86_64": 250, "aarch64": 219}.get(_MACHINE, 219)


# glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


class KernelError(OSError):
    """A system call failed. ``syscall`` and ``target`` say which and on what; ``errno`` says why."""

    def __init__(self, errno: int, syscall: str, target: str = "", detail: str = "") -> None:
        super().__init__(errno, os.strerror(errno))
        self.syscall = syscall
        self.target = target
        self.detail = detail

    def __str__(self) -> str:
        where = f" {self.target}" if self.target else ""
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.syscall}{where}: {self.strerror}{detail}"


_libc = ctypes.CDLL(None, use_errno=True)

_libc.syscall.restype = c_long
_libc.mount.argtypes = (c_char_p, c_char_p, c_char_p, c_ulong, c_char_p)
_libc.umount2.argtypes = (c_char_p, c_int)
_libc.unshare.argtypes = (c_int,)
_libc.setns.argtypes = (c_int, c_int)
_libc.prctl.argtypes = (c_int, c_ulong, c_ulong, c_ulong, c_ulong)
_libc.sethostname.argtypes = (c_char_p, c_size_t)
_libc.setdomainname.argtypes = (c_char_p, c_size_t)
_libc.syncfs.argtypes = (c_int,)
_libc.fstatfs.argtypes = (c_int, c_void_p)
_libc.capget.argtypes = (c_void_p, c_void_p)
_libc.capset.argtypes = (c_void_p, c_void_p)
_libc.setfsuid.argtypes = (c_uint32,)
_libc.setfsgid.argtypes = (c_uint32,)
_libc.inotify_init1.argtypes = (c_int,)
_libc.inotify_add_watch.argtypes = (c_int, c_char_p, c_uint32)
_libc.inotify_rm_watch.argtypes = (c_int, c_int)

mount = _libc.mount
umount2 = _libc.umount2
unshare = _libc.unshare
setns = _libc.setns
prctl = _libc.prctl
sethostname = _libc.sethostname
setdomainname = _libc.setdomainname
syncfs = _libc.syncfs
fstatfs = _libc.fstatfs
capget = _libc.capget
capset = _libc.capset
setfsuid = _libc.setfsuid
setfsgid = _libc.setfsgid
inotify_init1 = _libc.inotify_init1
inotify_add_watch = _libc.inotify_add_watch
inotify_rm_watch = _libc.inotify_rm_watch


def check(result: int, syscall: str, target: str | bytes | os.PathLike[str] = "") -> int:
    """``result`` when it is not negative; KernelError with the thread's errno otherwise."""
    if result < 0:
        raise KernelError(ctypes.get_errno(), syscall, os.fsdecode(target))
    return result


def call(number: int, syscall: str, target: str | bytes | os.PathLike[str], *arguments: object) -> int:
    """System call ``number``. Integers are widened to the register size, bytes passed as C strings."""
    widened = [c_long(value) if isinstance(value, int) else value for value in arguments]
    result: int = _libc.syscall(c_long(number), *widened)
    return check(result, syscall, target)


def limit_heap() -> None:
    """Keep a threaded process small, once, at its start; only glibc has this.

    Left alone, glibc makes eight arenas per core, and after the first large free it keeps up to 64 MB in each of them.
    """
    mallopt = getattr(_libc, "mallopt", None)
    if mallopt is not None:
        for option, value in ((_M_ARENA_MAX, 2), (_M_MMAP_THRESHOLD, 256 << 10), (_M_TRIM_THRESHOLD, 512 << 10)):
            mallopt(c_int(option), c_int(value))
