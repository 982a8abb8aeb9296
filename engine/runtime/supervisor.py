"""The shim answers for the kernel when a program of its container asks who it is, or wants to be somebody else.

Only with one mapped id (oneid.py), where the kernel would refuse. The calls stop until the shim has answered (seccomp's user
notification), some 150 µs each; as long as nobody has changed who they are, the kernel itself answers.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import select
import struct
from typing import TYPE_CHECKING, NamedTuple

from ..linux import process
from . import oneid
from .pretended import KEEP, ROOT, Credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    from .loop import Loop

    Answer = tuple[int, Credentials | None]

_RECEIVE, _SEND, _VALID = 0xC0502100, 0xC0182101, 0x40082102
_NOTIFICATION, _RESPONSE = struct.Struct("=QIIiIQ6Q"), struct.Struct("=QqiI")
_CONTINUE = 1
_MOST_GROUPS = 65536
_MOST = 4096
"""Processes that are remembered; what has ended is forgotten then."""


def supervise(loop: Loop, listener: int) -> None:
    """Answer a container's calls; nothing without a listener (-1)."""
    if listener >= 0:
        Supervisor(loop, listener, oneid.names())


class Call(NamedTuple):
    """One call that waits for its answer."""

    id: int
    pid: int
    name: str
    arguments: tuple[int, ...]


class Supervisor:
    """Answers what comes over ``listener``, which it takes over, until nobody is left who could ask."""

    def __init__(self, loop: Loop, listener: int, names: dict[int, str]) -> None:
        self._loop = loop
        self._listener = listener
        self._names = names
        self._known: dict[int, tuple[int, Credentials]] = {}
        loop.watch(listener, self._ready)

    def _ready(self, events: int) -> None:
        if not events & select.EPOLLIN:
            self._loop.forget(self._listener)
            os.close(self._listener)
            return
        buffer = bytearray(_NOTIFICATION.size)
        try:
            fcntl.ioctl(self._listener, _RECEIVE, buffer)
        except OSError:
            return  # killed while it waited
        id, pid, _, number, _, _, *arguments = _NOTIFICATION.unpack(buffer)
        call = Call(id, pid, self._names.get(number, ""), tuple(arguments))
        value, error, flags = self._answer(call)
        try:
            fcntl.ioctl(self._listener, _SEND, bytearray(_RESPONSE.pack(id, value, error, flags)))
        except OSError:
            return

    def _answer(self, call: Call) -> tuple[int, int, int]:
        handler = _HANDLERS.get(call.name)
        before = self._of(call.pid)
        if handler is None or (before is ROOT and call.name.startswith("get")):
            return 0, 0, _CONTINUE
        try:
            value, after = handler(self, call, before)
        except OSError as error:
            return 0, -(error.errno or errno.EPERM), 0
        if after is not None and after != before:
            self._remember(call.pid, after)
        return value, 0, 0

    def _of(self, pid: int) -> Credentials:
        """What the process believes, or those it comes from: its other threads, its parents."""
        asking = pid
        for _ in range(64):
            known = self._known.get(pid)
            if known is not None and process.start_time(pid) == known[0]:
                return known[1].running(program_of(asking)) if known[1].program else known[1]
            above = process.parent(pid)
            if above <= 1 or not self._known:
                return ROOT
            pid = above
        return ROOT

    def _remember(self, pid: int, credentials: Credentials) -> None:
        if len(self._known) >= _MOST:
            self._known = {one: known for one, known in self._known.items() if process.is_alive(one, known[0])}
        self._known[pid] = (process.start_time(pid) or 0, credentials)

    def read(self, call: Call, address: int, length: int) -> bytes:
        """Memory of the caller, who waits. Raises OSError."""
        descriptor = os.open(f"/proc/{call.pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._still_there(call)
            return os.pread(descriptor, length, address)
        except OverflowError:
            raise OSError(errno.EFAULT, "") from None
        finally:
            os.close(descriptor)

    def write(self, call: Call, address: int, data: bytes) -> None:
        descriptor = os.open(f"/proc/{call.pid}/mem", os.O_WRONLY | os.O_CLOEXEC)
        try:
            self._still_there(call)
            os.pwrite(descriptor, data, address)
        except OverflowError:
            raise OSError(errno.EFAULT, "") from None
        finally:
            os.close(descriptor)

    def _still_there(self, call: Call) -> None:
        """That the pid has not become somebody else's meanwhile."""
        fcntl.ioctl(self._listener, _VALID, bytearray(ctypes.c_uint64(call.id)))


def program_of(pid: int) -> str:
    """What a process runs, as a name to compare with; empty when it has ended."""
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


def _id(argument: int) -> int:
    return argument & 0xFFFFFFFF


def _set(kind: str, way: str) -> Callable[[Supervisor, Call, Credentials], Answer]:
    count = {"set": 1, "set_two": 2, "set_three": 3}[way]

    def handle(supervisor: Supervisor, call: Call, before: Credentials) -> Answer:
        wanted = [_id(argument) for argument in call.arguments[:count]]
        if way == "set" and wanted[0] == KEEP:
            raise OSError(errno.EINVAL, "")
        ids = before.user if kind == "user" else before.group
        after = getattr(ids, way)(*wanted, privileged=before.privileged)
        return 0, before.become(after) if kind == "user" else before._replace(group=after)

    return handle


def _get(kind: str, which: str) -> Callable[[Supervisor, Call, Credentials], Answer]:
    def handle(supervisor: Supervisor, call: Call, before: Credentials) -> Answer:
        return int(getattr(before.user if kind == "user" else before.group, which)), None

    return handle


def _get_three(kind: str) -> Callable[[Supervisor, Call, Credentials], Answer]:
    def handle(supervisor: Supervisor, call: Call, before: Credentials) -> Answer:
        ids = before.user if kind == "user" else before.group
        for address, value in zip(call.arguments, (ids.real, ids.effective, ids.saved), strict=False):
            supervisor.write(call, address, struct.pack("=I", value))
        return 0, None

    return handle


def _keep_rights(supervisor: Supervisor, call: Call, before: Credentials) -> Answer:
    return 0, before._replace(keeps=bool(call.arguments[1]), program=program_of(call.pid))


def _set_groups(supervisor: Supervisor, call: Call, before: Credentials) -> Answer:
    count = _id(call.arguments[0])
    if not before.privileged:
        raise PermissionError(errno.EPERM, "")
    if count > _MOST_GROUPS:
        raise OSError(errno.EINVAL, "")
    data = supervisor.read(call, call.arguments[1], 4 * count) if count else b""
    return 0, before._replace(groups=struct.unpack(f"={len(data) // 4}I", data[: len(data) // 4 * 4]))


def _get_groups(supervisor: Supervisor, call: Call, before: Credentials) -> Answer:
    room, own = _id(call.arguments[0]), before.groups
    if room and room < len(own):
        raise OSError(errno.EINVAL, "")
    if room and own:
        supervisor.write(call, call.arguments[1], struct.pack(f"={len(own)}I", *own))
    return len(own), None


_HANDLERS: dict[str, Callable[[Supervisor, Call, Credentials], Answer]] = {
    "setuid": _set("user", "set"),
    "setgid": _set("group", "set"),
    "setreuid": _set("user", "set_two"),
    "setregid": _set("group", "set_two"),
    "setresuid": _set("user", "set_three"),
    "setresgid": _set("group", "set_three"),
    "getuid": _get("user", "real"),
    "geteuid": _get("user", "effective"),
    "getgid": _get("group", "real"),
    "getegid": _get("group", "effective"),
    "getresuid": _get_three("user"),
    "getresgid": _get_three("group"),
    "prctl": _keep_rights,
    "setgroups": _set_groups,
    "getgroups": _get_groups,
}
