"""Namespaces: leave them, join them, and the names a fresh UTS namespace gets."""

from __future__ import annotations

import fcntl
import os

from . import libc

CLONE_NEWTIME = 0x00000080
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

_NS_GET_PARENT, _NS_GET_NSTYPE = 0xB702, 0xB703

FLAGS = {
    "mount": CLONE_NEWNS,
    "cgroup": CLONE_NEWCGROUP,
    "uts": CLONE_NEWUTS,
    "ipc": CLONE_NEWIPC,
    "pid": CLONE_NEWPID,
    "network": CLONE_NEWNET,
    "user": CLONE_NEWUSER,
}
"""By the names of the OCI runtime specification."""


def names(flags: int) -> str:
    """``mount,pid`` and so on, for messages."""
    return ",".join(name for name, flag in FLAGS.items() if flags & flag)


def unshare(flags: int) -> None:
    libc.check(libc.unshare(flags), "unshare", names(flags))


def setns(descriptor: int, flags: int, target: str = "") -> None:
    """Join what ``descriptor`` (of a namespace, or a pidfd with several flags) refers to."""
    libc.check(libc.setns(descriptor, flags), "setns", target or names(flags))


def open_own(kind: str) -> int:
    """A handle on one of the caller's own namespaces: ``mnt``, ``net``, ``pid``…"""
    return os.open(f"/proc/thread-self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)


def is_own(descriptor: int, kind: str) -> bool:
    """Whether the caller is in this namespace already."""
    return os.path.samestat(os.fstat(descriptor), os.stat(f"/proc/thread-self/ns/{kind}"))


FILES = {"mount": "mnt", "network": "net"}
"""Names below /proc/PID/ns where they are others than the specification's."""


def is_network(descriptor: int) -> bool:
    """Whether the descriptor is of a network namespace; OSError when it is of none at all."""
    return fcntl.ioctl(descriptor, _NS_GET_NSTYPE) == CLONE_NEWNET


def outermost_below_own(descriptor: int) -> int | None:
    """Of a user namespace, which is closed: itself or that of its ancestors whose parent is the caller's own. None of one that is
    no descendant, or the caller's own."""
    own = os.stat("/proc/thread-self/ns/user")
    while True:
        try:
            parent: int = fcntl.ioctl(descriptor, _NS_GET_PARENT)
        except PermissionError:  # of the caller's own, or beyond
            os.close(descriptor)
            return None
        if os.path.samestat(os.fstat(parent), own):
            os.close(parent)
            return descriptor
        os.close(descriptor)
        descriptor = parent


def set_hostname(name: str) -> None:
    encoded = os.fsencode(name)
    libc.check(libc.sethostname(encoded, len(encoded)), "sethostname", name)


def set_domainname(name: str) -> None:
    encoded = os.fsencode(name)
    libc.check(libc.setdomainname(encoded, len(encoded)), "setdomainname", name)
