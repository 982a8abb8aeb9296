"""Changes below directories, from the kernel. Directories that come later are followed as well.

Unreadable directories are left out with a remark instead of ending the watch.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import struct
from typing import TYPE_CHECKING

from ..errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Callable

IN_MODIFY, IN_ATTRIB, IN_CLOSE_WRITE = 0x2, 0x4, 0x8
IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE = 0x40, 0x80, 0x100, 0x200
IN_Q_OVERFLOW, IN_IGNORED, IN_ISDIR = 0x4000, 0x8000, 0x40000000
_MASK = IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE
_EVENT = struct.Struct("iIII")

_libc = ctypes.CDLL(None, use_errno=True)
_libc.inotify_add_watch.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32)


class TreeWatch:
    """Watches ``roots`` (files or directories); ``skip(path)`` keeps directories out."""

    def __init__(self, roots: list[str], skip: Callable[[str], bool], remark: Callable[[str], None]) -> None:
        self._fd = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OperationError(f"cannot watch files: {os.strerror(ctypes.get_errno())}")
        self._skip = skip
        self._remark = remark
        self._paths: dict[int, str] = {}
        self._only: dict[str, set[str]] = {}
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        for root in roots:
            if os.path.isdir(root):
                self._add_tree(root)
            else:
                # editors replace files: only the directory sees that
                parent = os.path.dirname(root)
                self._only.setdefault(parent, set()).add(root)
                self._add(parent)

    def _add(self, path: str) -> bool:
        watch = _libc.inotify_add_watch(self._fd, os.fsencode(path), _MASK)
        if watch < 0:
            code = ctypes.get_errno()
            if code == errno.ENOSPC:
                raise OperationError("cannot watch files: the limit fs.inotify.max_user_watches is reached")
            if code != errno.ENOENT:
                self._remark(f"not watching {path}: {os.strerror(code)}")
            return False
        self._paths[watch] = path
        return True

    def _add_tree(self, path: str) -> list[str]:
        """Watch a directory and everything below; the files found on the way."""
        found: list[str] = []
        if self._skip(path) or not self._add(path):
            return found
        self._only.pop(path, None)
        try:
            entries = list(os.scandir(path))
        except OSError as error:
            self._remark(f"not watching {path}: {error.strerror}")
            return found
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                found += self._add_tree(entry.path)
            else:
                found.append(entry.path)
        return found

    def wait(self, timeout: float | None) -> set[str] | None:
        """Paths that changed; empty after ``timeout`` seconds without one; None once closed."""
        poller = select.poll()
        poller.register(self._fd, select.POLLIN)
        poller.register(self._wake_read, select.POLLIN)
        ready = poller.poll(None if timeout is None else timeout * 1000)
        if any(fd == self._wake_read for fd, _ in ready):
            return None
        return self._read() if ready else set()

    def _read(self) -> set[str]:
        changed: set[str] = set()
        try:
            data = os.read(self._fd, 65536)
        except BlockingIOError:
            return changed
        at = 0
        while at < len(data):
            watch, mask, _, length = _EVENT.unpack_from(data, at)
            name = data[at + _EVENT.size : at + _EVENT.size + length].rstrip(b"\0")
            at += _EVENT.size + length
            if mask & IN_Q_OVERFLOW:
                raise OperationError("too many changes at once: the kernel's queue of file events overflowed")
            if mask & IN_IGNORED:
                self._paths.pop(watch, None)
                continue
            directory = self._paths.get(watch)
            if directory is None or not name:
                continue
            path = os.path.join(directory, os.fsdecode(name))
            only = self._only.get(directory)
            if only is not None and path not in only:
                continue
            if mask & IN_ISDIR and mask & (IN_CREATE | IN_MOVED_TO):
                changed.update(self._add_tree(path))
            if not (mask & IN_ISDIR and mask & IN_ATTRIB):
                changed.add(path)
        return changed

    def close(self) -> None:
        """End `wait`, from any thread."""
        os.write(self._wake_write, b"x")

    def release(self) -> None:
        for descriptor in (self._fd, self._wake_read, self._wake_write):
            os.close(descriptor)
