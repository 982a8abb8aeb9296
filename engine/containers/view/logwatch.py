"""One inotify instance for all who follow logs: the kernel gives a user 128 of them, and followers come by the dozen.

    with watch.follower() as notify:  LogReader(directory, follow=notify)

A follower is what a LogReader needs of inotify: ``add``, ``discard``, ``read`` and a descriptor that turns readable. It
has an eventfd of its own, which the shared instance's events are passed on to. Followers are made and closed on the event
loop's thread; what they watch may be changed from others.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from typing import Self

from ...linux import inotify


class LogWatch:
    """Holds the instance while anybody follows."""

    def __init__(self) -> None:
        self._notify: inotify.Inotify | None = None
        self._watches: dict[int, dict[Follower, int]] = {}
        self._followers = 0
        self._lock = threading.RLock()

    def follower(self) -> Follower:
        if self._notify is None:
            self._notify = inotify.Inotify()
            asyncio.get_running_loop().add_reader(self._notify.fileno(), self._dispatch)
        self._followers += 1
        return Follower(self)

    def _dispatch(self) -> None:
        assert self._notify is not None
        woken: set[Follower] = set()
        with self._lock:
            for event in self._notify.read():
                if event.mask & inotify.IN_Q_OVERFLOW:
                    woken.update(*self._watches.values())
                woken.update(self._watches.get(event.watch, ()))
                if event.mask & inotify.IN_IGNORED:
                    self._watches.pop(event.watch, None)
        for follower in woken:
            follower.wake()

    def add(self, follower: Follower, path: str, mask: int) -> int:
        """Several followers of one file share a watch; what one of them wants, all are told."""
        assert self._notify is not None
        with self._lock:
            watch = self._notify.add(path, mask | inotify.IN_MASK_ADD)
            wanted = self._watches.setdefault(watch, {})
            wanted[follower] = wanted.get(follower, 0) + 1
        return watch

    def discard(self, follower: Follower, watch: int) -> None:
        with self._lock:
            wanted = self._watches.get(watch)
            if wanted is None or follower not in wanted:
                return
            wanted[follower] -= 1
            if not wanted[follower]:
                del wanted[follower]
            if not wanted:
                del self._watches[watch]
                if self._notify is not None:
                    self._notify.discard(watch)

    def close(self, follower: Follower) -> None:
        with self._lock:
            for watch in [watch for watch, wanted in self._watches.items() if follower in wanted]:
                self._watches[watch][follower] = 1
                self.discard(follower, watch)
        self._followers -= 1
        if not self._followers and self._notify is not None:
            asyncio.get_running_loop().remove_reader(self._notify.fileno())
            self._notify.close()
            self._notify = None
            self._watches.clear()


class Follower:
    """One reader's share; ``fileno`` turns readable when something it watches has changed."""

    def __init__(self, owner: LogWatch) -> None:
        self._owner = owner
        self._fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        return self._fd

    def wake(self) -> None:
        if self._fd >= 0:
            os.eventfd_write(self._fd, 1)

    def add(self, path: str, mask: int) -> int:
        return self._owner.add(self, path, mask)

    def discard(self, watch: int) -> None:
        self._owner.discard(self, watch)

    def read(self) -> list[inotify.Event]:
        """Forget that something has changed; what it was is not told."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._fd)
        return []

    def close(self) -> None:
        if self._fd >= 0:
            self._owner.close(self)
            os.close(self._fd)
            self._fd = -1
