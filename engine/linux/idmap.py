"""Other owners for what is there already: user namespaces as maps, mounts that are seen through one, and acting as its root.

A map is a list of :class:`userns.Range`: ``inside`` counts ids on disk, or of a container, ``outside`` those of this process.
A user namespace lives as long as somebody has a descriptor of it; no process has to stay in it.
"""

from __future__ import annotations

import errno
import os
import select
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from . import caps, libc, mount, namespace, process
from .libc import KernelError
from .userns import Range

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

IDS = 65536
"""How many users, and groups, a container has in a user namespace of its own."""
_LAST = (1 << 32) - 2


def make(uids: Sequence[Range], gids: Sequence[Range], *, network: bool = False) -> tuple[int, int]:
    """A user namespace with these maps and, with ``network``, a network namespace that it owns (else -1). Raises OSError."""
    flags = namespace.CLONE_NEWUSER | (namespace.CLONE_NEWNET if network else 0)
    with _waiting(flags) as directory:
        _map(directory, uids, gids)
        return _open(directory, "user"), _open(directory, "net") if network else -1


_APART = "import ctypes, os; ctypes.CDLL(None).unshare(0x10000000) or os.write(1, b'1') and os.read(0, 1)"
_PATIENCE_MS = 20_000


def make_from_threads(uids: Sequence[Range], gids: Sequence[Range]) -> int:
    """The user namespace of ``make``, for a process with threads, which cannot fork: made by an interpreter of its own, in some 20
    ms. Raises OSError."""
    import subprocess  # here: shims have no use for it

    command = [sys.executable, "-I", "-S", "-E", "-c", _APART]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as maker:
        assert maker.stdin is not None and maker.stdout is not None
        poller = select.poll()
        poller.register(maker.stdout, select.POLLIN)
        try:
            if not poller.poll(_PATIENCE_MS) or not maker.stdout.read(1):
                raise KernelError(errno.EPERM, "unshare", "user namespace")
            directory = f"/proc/{maker.pid}"
            _map(directory, uids, gids)
            return _open(directory, "user")
        finally:
            maker.kill()


def make_network(user: int) -> int:
    """A network namespace that the user namespace ``user`` owns. Raises OSError."""
    with _waiting(0, user) as directory:
        return _open(directory, "net")


def apply(mount_fd: int, user: int, *, recursive: bool = False) -> None:
    """Show a detached mount, which nobody else has, through the map of ``user``. Raises KernelError: EINVAL where the file
    system cannot."""
    mount.set_attributes(mount_fd, set_bits=mount.MOUNT_ATTR_IDMAP, userns_fd=user, recursive=recursive)


@contextmanager
def root_of(base: int) -> Iterator[None]:
    """Make files, in this thread, as the root of a container whose ids begin at ``base``; 0: as oneself."""
    with acting_as(base, base):
        yield


@contextmanager
def acting_as(user: int, group: int) -> Iterator[None]:
    """Make files, in this thread, as somebody else, with the rights that one has; 0, 0: as oneself."""
    if not user and not group:
        yield
        return
    before = caps.current()
    libc.setfsgid(group)
    libc.setfsuid(user)
    try:
        # The kernel takes the capabilities on files away from whoever stops being root for them.
        caps.set_effective(before)
        yield
    finally:
        libc.setfsuid(0)
        libc.setfsgid(0)
        caps.set_effective(before)


def capabilities_inside(value: bytes, base: int) -> bytes:
    """The ``security.capability`` of a file of a container's (capabilities(7)), as it is read here, as the container's root
    knows it: without the number that its root has here."""
    if len(value) == 24 and value[3] == 3 and int.from_bytes(value[20:], "little") == base:
        return value[:3] + b"\2" + value[4:20]
    return value


def capabilities_outside(value: bytes, base: int) -> bytes:
    """The reverse, for a file that is written from here."""
    if len(value) == 20 and value[3] == 2:
        return value[:3] + b"\3" + value[4:] + base.to_bytes(4, "little")
    return value


def container(base: int) -> tuple[Range, ...]:
    """The map of a container whose ids begin at ``base``."""
    return (Range(0, base, IDS),)


def matching(owner: int, user: int) -> tuple[Range, ...]:
    """The map in which ``owner`` on disk is ``user``, and everybody else who they are. Root on disk is nobody, and so is who
    has the user's number there, so that nothing that is written through the map can be root's. Raises ValueError when the
    owner is root and the user is not."""
    if owner == user:
        return (Range(0, 0, _LAST + 1),)
    if owner == 0:
        raise ValueError("it belongs to root, whose files are nobody's to write through a map")
    found = [Range(owner, user, 1)]
    taken = sorted({0, owner, user})
    for first, after in zip(taken, [*taken[1:], _LAST + 1], strict=True):
        if after > first + 1:
            found.append(Range(first + 1, first + 1, after - first - 1))
    return tuple(sorted(found))


@contextmanager
def _waiting(flags: int, within: int = -1) -> Iterator[str]:
    """The directory in /proc of a process in new namespaces, which ends with the block. ``within`` is a user namespace for it
    to join before it makes a network namespace of its own."""
    ready, tell = os.pipe2(os.O_CLOEXEC)
    stay, leave = os.pipe2(os.O_CLOEXEC)
    pid, pidfd = process.clone(flags)
    if pid == 0:
        try:
            os.close(leave)
            if within >= 0:
                namespace.setns(within, namespace.CLONE_NEWUSER, "user namespace")
                namespace.unshare(namespace.CLONE_NEWNET)
            os.write(tell, b"\1")
            os.read(stay, 1)
        finally:
            os._exit(0)
    os.close(tell)
    os.close(stay)
    try:
        if not os.read(ready, 1):
            raise KernelError(errno.EPERM, "unshare", "network namespace of a user namespace")
        yield f"/proc/{_number(pidfd)}"
    finally:
        os.close(ready)
        os.close(leave)
        os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
        os.close(pidfd)


def _map(directory: str, uids: Sequence[Range], gids: Sequence[Range]) -> None:
    for name, ranges in (("uid_map", uids), ("gid_map", gids)):
        _write(f"{directory}/{name}", "".join(f"{one.inside} {one.outside} {one.length}\n" for one in ranges))


def _number(pidfd: int) -> int:
    """The process's number in the /proc that is mounted here, which may not be the one that its parent knows it by."""
    with open(f"/proc/self/fdinfo/{pidfd}") as file:
        fields = dict(line.split(":\t", 1) for line in file if ":\t" in line)
    return int(fields["Pid"])


def _open(directory: str, kind: str) -> int:
    return os.open(f"{directory}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    except OSError as error:
        raise KernelError(error.errno or 0, "write", path, text.strip().replace("\n", ", ")) from None
    finally:
        os.close(descriptor)
