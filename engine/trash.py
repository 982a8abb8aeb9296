"""What has been put aside is deleted here, by one thread, behind the answer of whoever removed it.

Thousands of files may take a disk seconds, and neither the client nor other projects need to wait for that. A directory
is renamed first (by its noun, within its own directory, so that the rename cannot fail for another file system) and found again
under that name by the next start's recovery, should the engine end before it is deleted.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from .linux import threads
from .linux.tree import remove_directory

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

log = logging.getLogger(__name__)

BACKLOG = 256
"""Directories that may wait; who brings more is held up until the disk has caught up, so it cannot fill for want of time."""

_LOOK = 1.0  # seconds between looks at the disk's free space
_TIGHT = 8  # less than one part in so many is free


class Trash:
    """May be used from any thread; ``take`` and ``empty`` may block, so not from the event loop's."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[Path] = deque()
        self._busy = False
        self._writers = self._waiters = 0
        self._begun = False

    def take(self, doomed: Iterable[Path]) -> None:
        """Delete these directories, soon. They have left their place: nobody looks for them there."""
        with self._changed:
            for path in doomed:
                self._changed.wait_for(lambda: len(self._waiting) < BACKLOG)
                self._waiting.append(path)
                if not self._begun:
                    # An engine that ends leaves the rest to the next one; so does one without memory for a thread.
                    with suppress(MemoryError):
                        threads.begin(self._work)
                        self._begun = True
            self._changed.notify_all()

    @property
    def is_empty(self) -> bool:
        return not self._waiting and not self._busy

    def empty(self, timeout: float | None = None) -> bool:
        """Wait (at most ``timeout`` seconds) until all is deleted; whether it is."""
        with self._changed:
            self._waiters += 1
            self._changed.notify_all()
            try:
                return self._changed.wait_for(lambda: self.is_empty, timeout)
            finally:
                self._waiters -= 1

    @contextmanager
    def resting(self) -> Iterator[None]:
        """While inside, nothing is deleted: somebody waits for files being written. Unless the disk fills up, or somebody
        waits for the deletion."""
        with self._changed:
            self._writers += 1
        try:
            yield
        finally:
            with self._changed:
                self._writers -= 1
                self._changed.notify_all()

    def _pause(self, path: Path) -> None:
        with self._changed:
            while self._writers and not self._waiters and not _is_tight(path):
                self._changed.wait(_LOOK)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                path, self._busy = self._waiting.popleft(), True
            try:
                remove_directory(path, lambda path=path: self._pause(path))  # type: ignore[misc]
            except OSError as error:
                log.warning("cannot delete %s, the next start of the engine tries again: %s", path, error)
            with self._changed:
                self._busy = False
                self._changed.notify_all()


def _is_tight(path: Path) -> bool:
    space = os.statvfs(path.parent)
    return space.f_bavail * _TIGHT < space.f_blocks
