"""User namespaces: which of the host's ids are mapped here, and how a process without privileges gets one of its own."""

from __future__ import annotations

import os
from typing import NamedTuple

from . import namespace

_EVERYTHING = (1 << 32) - 1
_LARGEST_GROUP = (1 << 31) - 1
_OVERFLOW = 65534


class Range(NamedTuple):
    """``length`` ids from ``inside`` on are those of the parent namespace from ``outside`` on."""

    inside: int
    outside: int
    length: int


def parse_map(text: str) -> tuple[Range, ...]:
    """The content of /proc/PID/uid_map or gid_map, lowest first."""
    return tuple(sorted(Range(*map(int, line.split())) for line in text.splitlines() if line.strip()))


def inside(ranges: tuple[Range, ...], outside: int) -> int:
    """The number in a namespace of who is ``outside`` in the one that its map is read from; 65534, nobody, without one."""
    for one in ranges:
        if one.outside <= outside < one.outside + one.length:
            return one.inside + outside - one.outside
    return _OVERFLOW


def own_map(kind: str) -> tuple[Range, ...]:
    """The map of this process: ``uid`` or ``gid``."""
    with open(f"/proc/self/{kind}_map") as file:
        return parse_map(file.read())


# Read at once: who is on the way into a container has another /proc before its eyes.
_UIDS, _GIDS = own_map("uid"), own_map("gid")


def is_initial() -> bool:
    """Whether this process is in the host's own user namespace. Does not change without another execve."""
    return (Range(0, 0, _EVERYTHING),) == _UIDS


def has_one_id() -> bool:
    """Whether root is the only user there is here: ids cannot be given to files then."""
    return count() == 1


def count() -> int:
    """How many users there are here."""
    return sum(one.length for one in _UIDS)


def ping_groups() -> str:
    """The widest value that net.ipv4.ping_group_range takes: groups that are mapped from 0 on without a gap."""
    return f"0 {min(_last_without_gap(_GIDS), _LARGEST_GROUP)}"


def _last_without_gap(ranges: tuple[Range, ...]) -> int:
    last = -1
    for one in ranges:
        if one.inside != last + 1:
            break
        last += one.length
    return max(last, 0)


def map_own_id(uid: int, gid: int) -> None:
    """Map root here to the one id that needs nobody's permission: that of the process. Raises OSError."""
    directory = os.open("/proc/self", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        map_one_id(directory, Range(0, uid, 1), Range(0, gid, 1))
    finally:
        os.close(directory)


def map_one_id(directory: int, user: Range, group: Range, prefix: str = "") -> None:
    """Map one user and one group, those of this process in the namespace that it has left. ``directory``, with ``prefix``, is
    our own in /proc. Raises OSError."""
    maps = (("uid_map", user), ("gid_map", group))
    for name, text in (("setgroups", "deny"), *((name, " ".join(map(str, one))) for name, one in maps)):
        descriptor = os.open(prefix + name, os.O_WRONLY | os.O_CLOEXEC, dir_fd=directory)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)


def become_root() -> None:
    """Take the ids 0 of a namespace whose maps are written."""
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def unshare() -> None:
    """A new user namespace, without maps yet. Raises KernelError."""
    namespace.unshare(namespace.CLONE_NEWUSER)


def join(descriptor: int) -> None:
    namespace.setns(descriptor, namespace.CLONE_NEWUSER, "user namespace")
