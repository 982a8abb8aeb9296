"""What lies below the watched paths, as it was seen last, and how that differs from what is there now.

This is the one truth of `watch`: a change is what differs between two looks. The kernel's events only say where to look, so
one that is lost costs a look at everything and no change.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)

_COARSE = 100_000_000
"""Nanoseconds in which a second change may leave a file's times as they are: file systems' clocks tick slowly."""


class Stamp(NamedTuple):
    """What tells two states of a file apart. Of a directory, only what is its own: its entries have stamps themselves."""

    mode: int
    device: int
    inode: int
    size: int = 0
    modified: int = 0
    changed: int = 0
    young: bool = False
    """Changed so shortly before it was looked at that a later change may leave the same times."""

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def kind(self) -> int:
        return stat.S_IFMT(self.mode)


class Change(NamedTuple):
    before: Stamp | None
    after: Stamp | None


def merge(earlier: Mapping[str, Change], later: Mapping[str, Change]) -> dict[str, Change]:
    """Two bursts as one."""
    return {**earlier, **{path: Change(earlier.get(path, one).before, one.after) for path, one in later.items()}}


class Tree:
    """``roots`` are files or directories, there or not yet; a root that is a symbolic link is followed, others are not.
    ``skip`` keeps directories out. ``follow`` is called before a directory is listed: False if it cannot be;
    ``leave`` when it is no longer of interest."""

    def __init__(
        self,
        roots: Iterable[str],
        skip: Callable[[str], bool],
        follow: Callable[[str], bool],
        leave: Callable[[str], None],
    ) -> None:
        self._roots = dict.fromkeys(roots)
        self._skip = skip
        self._follow = follow
        self._leave = leave
        self._stamps: dict[str, Stamp] = {}
        self._names: dict[str, set[str]] = {}
        self._changes: dict[str, Change] = {}

    @property
    def paths(self) -> dict[str, Stamp]:
        """Every path that is known to be there."""
        return self._stamps

    def lists(self, directory: str) -> bool:
        """Whether the entries of the directory are known."""
        return directory in self._names

    def take_changes(self) -> dict[str, Change]:
        """What has changed since the last call."""
        changes, self._changes = self._changes, {}
        return changes

    def look_everywhere(self) -> None:
        """Compare everything, as after a loss of events."""
        for root in self._roots:
            self.look(root, deep=True)

    def look(self, path: str, *, deep: bool = False, touched: bool = False) -> None:
        """Compare ``path`` with what is known of it. ``deep``: whatever is below as well, which is done in any case for a
        directory that was not there before. ``touched``: it has changed, even if it looks the same."""
        pending = [path]
        while pending:
            one = pending.pop()
            before, after = self._stamps.get(one), self._stamp(one)
            if after is not None and before is not None and one in self._names and not _same_directory(before, after):
                self._forget_entries(one)
            if after is None:
                self._forget(one)
            else:
                self._know(one, after)
            if _differs(before, after, deep=deep, touched=touched and one == path):
                self._note(one, before, after)
            if after is not None and after.is_directory and (deep or one not in self._names):
                pending += self._list(one)

    def _stamp(self, path: str) -> Stamp | None:
        try:
            found = os.stat(path) if path in self._roots else os.lstat(path)
        except OSError as error:
            return None if error.errno in _GONE else self._stamps.get(path)
        if stat.S_ISDIR(found.st_mode):
            return Stamp(found.st_mode, found.st_dev, found.st_ino)
        young = time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) < _COARSE
        times = (found.st_mtime_ns, found.st_ctime_ns)
        return Stamp(found.st_mode, found.st_dev, found.st_ino, found.st_size, *times, young)

    def _list(self, directory: str) -> Iterator[str]:
        """What to look at in the directory: what is there, and what was."""
        if self._skip(directory) or not self._follow(directory):
            return
        try:
            names = set(os.listdir(directory))
        except OSError:
            return  # gone, of which its parent tells; or not readable, which says nothing of what is in it
        known = self._names.get(directory, set())
        self._names[directory] = names
        yield from (os.path.join(directory, name) for name in known | names)

    def _know(self, path: str, stamp: Stamp) -> None:
        self._stamps[path] = stamp
        parent, name = os.path.split(path)
        if parent in self._names:
            self._names[parent].add(name)

    def _note(self, path: str, before: Stamp | None, after: Stamp | None) -> None:
        earlier = self._changes.pop(path, None)
        change = Change(earlier.before if earlier is not None else before, after)
        if change != (None, None):
            self._changes[path] = change

    def _forget(self, path: str) -> None:
        self._forget_entries(path)
        self._stamps.pop(path, None)
        parent, name = os.path.split(path)
        self._names.get(parent, set()).discard(name)

    def _forget_entries(self, directory: str) -> None:
        """Everything below is gone, or out of sight."""
        pending = [directory]
        while pending:
            one = pending.pop()
            names = self._names.pop(one, None)
            if names is None:
                continue
            self._leave(one)
            for name in names:
                path = os.path.join(one, name)
                pending.append(path)
                before = self._stamps.pop(path, None)
                if before is not None:
                    self._note(path, before, None)


def _same_directory(before: Stamp, after: Stamp) -> bool:
    return after.is_directory and (before.device, before.inode) == (after.device, after.inode)


def _differs(before: Stamp | None, after: Stamp | None, *, deep: bool, touched: bool) -> bool:
    if before is None or after is None:
        return before is not after
    if touched and not after.is_directory:
        return True
    if deep and before.young and not after.is_directory:
        return True
    return before._replace(young=False) != after._replace(young=False)
