"""The wire between engine, keeper and shim: one JSON object per SEQPACKET message, descriptors by SCM_RIGHTS.

    engine                         keeper                          shim
      │◄── {"event":"hello","v":1,"ops":[…]} ──────│                  │  the first thing that keeper, shim and guard say
      │  {"id":1,"op":"fork","shim":{…}} +fd ─────►│  fork ──────────►│  (fd is the shim's end of its control socket)
      │◄── {"reply":1,"ok":{"pid":…,"pid_starttime":…}}               │
      │  {"id":2,"op":"log","form":"json"} ───────►│                  │  how the keeper's own lines are written from now on
      │  {"id":3,"op":"shutdown"} ────────────────►│                  │
      │                                                               │
      │◄──────────────── {"event":"prepared", …state} +netns +rtnl ───│  at birth, and again to each engine that adopts
      │  {"id":1,"op":"start"} ──────────────────────────────────────►│
      │◄──────────────── {"reply":1,"ok":{…}} | {"reply":1,"error":{…}}
      │◄──────────────── {"event":"started"|"oom"|"exited"|…, …}      │  whenever it happens

The keeper also forks guards of leases: {"op":"guard","lease":…,"control":path,"seconds":…} +fd of the guard's end, +fd
of the owner (guard.py draws what follows).

Requests to the shim: start, signal, kill, stop, resize, refresh_files, close_stdin, stdin, exec, restart_policy, hold,
ports, relay, release. ``relay`` with ``on`` false gets its reply when the connections under way have ended.
Every request gets exactly one reply, ``ok`` or ``error``; ``stop`` gets it when the container has ended. A peer that
goes away fails all that is pending. A restarted engine connects to the shim's ``control`` socket; the newest
connection wins and the one before is closed.

Keepers, shims and guards are as old as the pycompose that started them, and the engine may be a later one. What they do
not know in a message they ignore, what it lacks has a default; ``ops`` are the requests they know. One that says no hello is
from before there were versions (0): its keeper takes a shim's specification by position.

Messages larger than a packet travel in a memfd sent along as the first descriptor. Not here: what the messages cause.
"""

from __future__ import annotations

import array
import json
import os
import socket
from typing import TYPE_CHECKING, NamedTuple

from .. import documents

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .wire import Message

VERSION = 1
"""Raised when an engine that knows only lower ones would misunderstand what keeper, shim or guard say."""

PACKET = 64 * 1024
MOST_DESCRIPTORS = 200
"""Per message; the kernel's limit is 253."""


_encoder = json.JSONEncoder(separators=(",", ":"))


def encode(document: Mapping[str, object]) -> bytes:
    return _encoder.encode(document).encode()


class Hello(NamedTuple):
    """What the other side is: its version and the requests it knows (None: it did not say)."""

    v: int = 0
    ops: tuple[str, ...] | None = None

    @staticmethod
    def parse(message: Message, who: str) -> Hello:
        """Raises NewerFormat, and ValueError for what is no hello."""
        documents.check(message.get("v"), VERSION, who)
        return Hello(message["v"], tuple(str(op) for op in message.get("ops") or ()))


def hello(ops: Iterable[str]) -> Message:
    return {"event": "hello", "v": VERSION, "ops": sorted(ops)}


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends, both close-on-exec and non-blocking."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    return ends


def send(channel: socket.socket, message: Message, descriptors: Sequence[int] = ()) -> None:
    """Send one message. Raises BlockingIOError when the peer's buffer is full, OSError when the peer is gone."""
    data = encode(message)
    overflow = -1
    if len(data) > PACKET:
        overflow = os.memfd_create("message", os.MFD_CLOEXEC)
        with open(overflow, "wb", closefd=False) as handle:
            handle.write(data)
        data = b'{"memfd":true}'
        descriptors = [overflow, *descriptors]
    try:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        channel.sendmsg([data], rights, socket.MSG_NOSIGNAL)
    finally:
        if overflow >= 0:
            os.close(overflow)


def receive(channel: socket.socket) -> tuple[Message, list[int]] | None:
    """The next message with its descriptors (close-on-exec, now the caller's), or None when the peer is gone.

    Raises BlockingIOError when there is none yet.
    """
    try:
        space = socket.CMSG_SPACE((MOST_DESCRIPTORS + 1) * 4)
        data, ancillary, _, _ = channel.recvmsg(PACKET + 1, space, socket.MSG_CMSG_CLOEXEC)
    except (ConnectionResetError, BrokenPipeError):
        return None
    descriptors = array.array("i")
    for level, kind, payload in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(payload[: len(payload) - len(payload) % descriptors.itemsize])
    if not data:
        return None
    message: Message = json.loads(data)
    received = descriptors.tolist()
    if message.get("memfd") is True:
        with open(received.pop(0), "rb") as handle:
            handle.seek(0)
            message = json.loads(handle.read())
    return message, received


def listen(path: str) -> socket.socket:
    """A listening SEQPACKET socket at ``path``, mode 0600; whatever was there before is replaced."""
    return _bind(path, socket.SOCK_SEQPACKET, 4)


def listen_stream(path: str, backlog: int = 512) -> socket.socket:
    """A listening STREAM socket at ``path``, mode 0600; whatever was there before is replaced."""
    return _bind(path, socket.SOCK_STREAM, backlog)


def connect(path: str) -> socket.socket:
    """A non-blocking connection to the SEQPACKET socket at ``path``. Raises OSError."""
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    directory = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        channel.connect(_short(directory, path))
    except OSError:
        channel.close()
        raise
    finally:
        os.close(directory)
    return channel


def _bind(path: str, kind: int, backlog: int) -> socket.socket:
    channel = socket.socket(socket.AF_UNIX, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    directory = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    before = os.umask(0o177)
    try:
        if os.path.lexists(path):
            os.unlink(path)
        channel.bind(_short(directory, path))
        channel.listen(backlog)
    except OSError:
        channel.close()
        raise
    finally:
        os.umask(before)
        os.close(directory)
    return channel


def _short(directory_fd: int, path: str) -> str:
    # The address of a unix socket holds 107 bytes; a path below --root is easily longer.
    return f"/proc/self/fd/{directory_fd}/{os.path.basename(path)}"
