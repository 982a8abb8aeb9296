"""The kernel's queue of file events (inotify(7)). Thin: what an event means is decided in `sources`."""

from __future__ import annotations

import ctypes
import errno
import os
import select
import struct
import threading
from typing import NamedTuple

from ..errors import OperationError

IN_MODIFY, IN_ATTRIB, IN_CLOSE_WRITE = 0x2, 0x4, 0x8
IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE = 0x40, 0x80, 0x100, 0x200
IN_DELETE_SELF, IN_MOVE_SELF, IN_UNMOUNT = 0x400, 0x800, 0x2000
IN_Q_OVERFLOW, IN_IGNORED, IN_ISDIR = 0x4000, 0x8000, 0x40000000
_IN_ONLYDIR, _IN_MASK_ADD = 0x01000000, 0x20000000

NAMES = IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE
"""A name of the directory now stands for something else."""
ITSELF = IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT
CONTENT = IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB

_EVENT = struct.Struct("iIII")
_libc = ctypes.CDLL(None, use_errno=True)
_libc.inotify_add_watch.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32)


class FileEvent(NamedTuple):
    """``watch`` is -1, ``mask`` IN_Q_OVERFLOW when events were lost."""

    watch: int
    mask: int
    name: str


class Inotify:
    """One queue. Only `close` may be called from another thread than the one that waits."""

    def __init__(self) -> None:
        self._fd = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            code = ctypes.get_errno()
            limit = ": the limit fs.inotify.max_user_instances is reached" if code == errno.EMFILE else ""
            raise OperationError(f"cannot watch files: {os.strerror(code)}{limit}")
        self._lock = threading.Lock()
        self._released = False
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def add(self, directory: str, mask: int) -> int:
        """Watch a directory for what ``mask`` names, besides what it is watched for already; the watch's number. A
        symbolic link is followed. Raises OSError, and `OperationError` when the kernel allows no more watches."""
        watch = _libc.inotify_add_watch(self._fd, os.fsencode(directory), mask | _IN_ONLYDIR | _IN_MASK_ADD)
        if watch < 0:
            code = ctypes.get_errno()
            if code == errno.ENOSPC:
                raise OperationError("cannot watch files: the limit fs.inotify.max_user_watches is reached")
            raise OSError(code, os.strerror(code), directory)
        return int(watch)

    def remove(self, watch: int) -> None:
        """The kernel may have removed it before: that is no error."""
        _libc.inotify_rm_watch(self._fd, watch)

    def wait(self, timeout: float | None) -> list[FileEvent] | None:
        """The events that have come; none after ``timeout`` seconds without one; None once closed."""
        poller = select.poll()
        poller.register(self._fd, select.POLLIN)
        poller.register(self._wake_read, select.POLLIN)
        ready = poller.poll(None if timeout is None else timeout * 1000)
        if any(fd == self._wake_read for fd, _ in ready):
            return None
        return self._read() if ready else []

    def _read(self) -> list[FileEvent]:
        try:
            data = os.read(self._fd, 1 << 20)
        except BlockingIOError:
            return []
        events = []
        at = 0
        while at < len(data):
            watch, mask, _, length = _EVENT.unpack_from(data, at)
            at += _EVENT.size
            events.append(FileEvent(watch, mask, os.fsdecode(data[at : at + length].rstrip(b"\0"))))
            at += length
        return events

    def close(self) -> None:
        """End `wait`, now and from now on, from any thread, also after `release`."""
        with self._lock:
            if not self._released:
                os.write(self._wake_write, b"x")

    def release(self) -> None:
        with self._lock:
            self._released = True
            for descriptor in (self._fd, self._wake_read, self._wake_write):
                os.close(descriptor)
