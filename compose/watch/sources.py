"""Changes below the watched paths, as they happen: `tree` knows what is there, `inotify` says where to look again."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from ..errors import OperationError
from .approach import Step, approach
from .inotify import (
    CONTENT,
    IN_ATTRIB,
    IN_IGNORED,
    IN_ISDIR,
    IN_Q_OVERFLOW,
    ITSELF,
    NAMES,
    Inotify,
)
from .tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .inotify import FileEvent
    from .tree import Change, Stamp

QUIET = 0.3
"""Seconds without an event after which a burst counts as over."""

LONGEST = 2.0
"""Seconds after which a burst is handed out even if it goes on: a log that is written all the time must not hide the rest."""


class SourceWatch:
    """Watches ``roots``, files or directories, whether they are there yet or not; ``skip(path)`` keeps directories out.
    What cannot be watched is left out with a remark. `wait` belongs to one thread, `close` to any."""

    def __init__(
        self, roots: Iterable[str], skip: Callable[[str], bool], remark: Callable[[str], None], quiet: float = QUIET
    ) -> None:
        self._roots = tuple(dict.fromkeys(roots))
        self._remark = remark
        self._quiet = quiet
        self._remarked: set[str] = set()
        self._inotify = Inotify()
        self._watches: dict[str, int] = {}
        self._directories: dict[int, set[str]] = {}
        self._ends: dict[str, Step] = {}
        self._steps: dict[Step, set[str]] = {}
        self._approached: set[str] = set()
        self._tree = Tree(self._roots, skip, self._follow, self._leave)
        try:
            self._look_again(dict.fromkeys(self._roots, False))
        except OperationError:
            self.release()
            raise
        self._tree.take_changes()

    @property
    def paths(self) -> dict[str, Stamp]:
        """Every path that is known to be there."""
        return self._tree.paths

    def wait(self, timeout: float | None = None) -> dict[str, Change] | None:
        """The changes of one burst, by path; none after ``timeout`` seconds without one; None once closed."""
        end = 0.0
        while True:
            events = self._inotify.wait(min(self._quiet, max(end - time.monotonic(), 0.0)) if end else timeout)
            if events is None:
                return None
            self._handle(events)
            now = time.monotonic()
            if not events or (end and now >= end):
                changes = self._tree.take_changes()
                if changes or not end:
                    return changes
                end = 0.0
            elif not end:
                end = now + LONGEST

    def close(self) -> None:
        self._inotify.close()

    def release(self) -> None:
        self._inotify.release()

    def _handle(self, events: list[FileEvent]) -> None:
        again: dict[str, bool] = {}
        for watch, mask, name in dict.fromkeys(events):
            if mask & IN_Q_OVERFLOW:
                again.update(dict.fromkeys(self._roots, False))
                continue
            directories = tuple(self._directories.get(watch, ()))
            if mask & IN_IGNORED:
                self._drop(watch)
            for directory in directories:
                if not name:
                    if mask & (ITSELF | IN_IGNORED) and directory in self._approached:
                        again.update(dict.fromkeys(self._roots, False))
                    continue
                for root in self._steps.get(Step(directory, name), ()):
                    again[root] = again.get(root, False) or self._ends[root] == (directory, name)
                if self._tree.lists(directory):
                    renamed = bool(mask & IN_ISDIR and mask & (NAMES | IN_ATTRIB))
                    self._tree.look(os.path.join(directory, name), deep=renamed, touched=True)
        if again:
            self._look_again(again)

    def _look_again(self, roots: Mapping[str, bool]) -> None:
        """Find the way to the roots anew, and compare all that is below them. The value says whether the root itself was
        touched."""
        before: dict[Step, set[str]] | None = None
        while before != self._steps:
            # What appears between the look and the watch is seen by the next look.
            before = self._steps
            self._approach()
        for root, touched in roots.items():
            self._tree.look(root, deep=True, touched=touched)

    def _approach(self) -> None:
        steps: dict[Step, set[str]] = {}
        for root in self._roots:
            for step in approach(root):
                steps.setdefault(step, set()).add(root)
                self._ends[root] = step
        last = {step.directory for step in self._ends.values()}
        approached = {step.directory for step in steps}
        for directory in self._approached - approached:
            self._approached.discard(directory)
            self._leave(directory)
        self._approached = approached
        self._steps = steps
        for directory in approached:
            self._add(directory, NAMES | ITSELF | (CONTENT if directory in last else IN_ATTRIB))

    def _follow(self, directory: str) -> bool:
        return self._add(directory, NAMES | ITSELF | CONTENT)

    def _add(self, directory: str, mask: int) -> bool:
        try:
            watch = self._inotify.add(directory, mask)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            if directory not in self._remarked:
                self._remarked.add(directory)
                self._remark(f"not watching {directory}: {error.strerror}")
            return False
        before = self._watches.get(directory)
        if before is not None and before != watch:
            self._unname(directory, before)
        self._watches[directory] = watch
        self._directories.setdefault(watch, set()).add(directory)
        return True

    def _leave(self, directory: str) -> None:
        """The directory is not listed any more: its watch goes, unless it is on the way to something."""
        if directory in self._approached or self._tree.lists(directory):
            return
        watch = self._watches.pop(directory, None)
        if watch is not None:
            self._unname(directory, watch)

    def _unname(self, directory: str, watch: int) -> None:
        names = self._directories.get(watch)
        if names is None:
            return
        names.discard(directory)
        if not names:
            del self._directories[watch]
            self._inotify.remove(watch)

    def _drop(self, watch: int) -> None:
        """The kernel has removed the watch."""
        for directory in self._directories.pop(watch, ()):
            if self._watches.get(directory) == watch:
                del self._watches[directory]
