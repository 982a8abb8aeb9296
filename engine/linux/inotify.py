"""inotify(7) through libc: an fd that turns readable when a file or directory changes. Not a watcher of trees."""

from __future__ import annotations

import os
import struct
from typing import NamedTuple

from . import libc

IN_MODIFY = 0x2
IN_ATTRIB = 0x4
IN_CLOSE_WRITE = 0x8
IN_MOVED_FROM = 0x40
IN_MOVED_TO = 0x80
IN_CREATE = 0x100
IN_DELETE = 0x200
IN_DELETE_SELF = 0x400
IN_MOVE_SELF = 0x800
IN_Q_OVERFLOW = 0x4000
IN_IGNORED = 0x8000
IN_ONLYDIR = 0x1000000
IN_MASK_ADD = 0x20000000

_HEADER = struct.Struct("iIII")


class Event(NamedTuple):
    """One change: the watch it belongs to, what happened (IN_… bits), and the name inside a watched directory."""

    watch: int
    mask: int
    name: str


class Inotify:
    """A non-blocking inotify instance. Raises OSError with the path; EMFILE when the user has too many instances."""

    def __init__(self) -> None:
        self._fd = libc.check(libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC), "inotify_init1")

    def fileno(self) -> int:
        return self._fd

    def add(self, path: str, mask: int) -> int:
        """Watch ``path``; returns the number its events carry."""
        watch = libc.inotify_add_watch(self._fd, os.fsencode(path), mask)
        try:
            return libc.check(watch, "inotify_add_watch", path)
        except libc.KernelError as error:
            # As open(2) would say it: FileNotFoundError and its kin.
            raise OSError(error.errno, error.strerror, path) from None

    def discard(self, watch: int) -> None:
        """Stop watching; a watch whose file is gone already is fine."""
        libc.inotify_rm_watch(self._fd, watch)

    def read(self) -> list[Event]:
        """All events there are now; empty when there is none."""
        events: list[Event] = []
        while True:
            try:
                data = os.read(self._fd, 65536)
            except BlockingIOError:
                return events
            offset = 0
            while offset < len(data):
                watch, mask, _, length = _HEADER.unpack_from(data, offset)
                offset += _HEADER.size
                name = data[offset : offset + length].rstrip(b"\0")
                offset += length
                events.append(Event(watch, mask, os.fsdecode(name)))

    def detach(self) -> int:
        """Give the bare fd away; this object is then closed."""
        fd, self._fd = self._fd, -1
        return fd

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self.detach())
