"""Directories that are kept between builds, by id, one owner at a time where that was asked for: those behind
``RUN --mount=type=cache``, and the contexts that clients have sent.

    cache/build/mounts/<32 hex of the id>[-n]/data
    cache/build/contexts/<32 hex of the id>[-n]/data

They may be deleted whenever no step uses them.
"""

from __future__ import annotations

import hashlib
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import Unprocessable
from ..linux.tree import remove_directory, tree_size
from .cache import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .cache import BuildCacheEntry
    from .dockerfile.mounts import Sharing

_POLL = 0.5  # seconds between looks at whether the build was cancelled, while another step holds the directory


class MountCache:
    """``kind`` and ``words`` are how ``usage`` calls its directories."""

    def __init__(self, root: Path, kind: str = "exec.cachemount", words: str = "cached mount") -> None:
        self._root, self._kind, self._words = root, kind, words
        self._changed = threading.Condition()
        self._users: dict[str, int] = {}

    @contextmanager
    def use(
        self, id: str, sharing: Sharing, cancelled: Callable[[], bool], fill: Callable[[Path], None]
    ) -> Iterator[Path]:
        """The directory for ``id``, made and given to ``fill`` when it is new. ``locked`` waits for others to finish,
        ``private`` takes another directory of the same id when the first is in use."""
        name = hashlib.sha256(id.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        with self._changed:
            if sharing == "private":
                first, number = name, 1
                while self._users.get(name):
                    name, number = f"{first}-{number}", number + 1
            while sharing == "locked" and self._users.get(name):
                if cancelled():
                    raise Unprocessable("context canceled")
                self._changed.wait(_POLL)
            self._users[name] = self._users.get(name, 0) + 1
            try:
                path = self._make(name, id, fill)
            except BaseException:
                self._leave(name)
                raise
        try:
            yield path
        finally:
            with self._changed:
                self._leave(name)

    def _leave(self, name: str) -> None:
        self._users[name] -= 1
        if not self._users[name]:
            del self._users[name]
        self._changed.notify_all()

    def _make(self, name: str, id: str, fill: Callable[[Path], None]) -> Path:
        directory = self._root / name
        data = directory / "data"
        if not data.is_dir():
            remove_directory(directory)
            fresh = self._root / f".{name}.{os.urandom(4).hex()}"
            (fresh / "data").mkdir(parents=True)
            (fresh / "id").write_text(id, "utf-8", "surrogateescape")
            try:
                fill(fresh / "data")
                os.rename(fresh, directory)
            except BaseException:
                remove_directory(fresh)
                raise
        os.utime(directory)
        return data

    def usage(self) -> list[BuildCacheEntry]:
        """BuildCache entries of ``GET /system/df``."""
        entries: list[BuildCacheEntry] = []
        for directory in self._directories():
            used = timestamp(directory.stat().st_mtime)
            entries.append(
                {
                    "ID": directory.name[:25],
                    "Parents": None,
                    "Type": self._kind,
                    "Description": f"{self._words} {(directory / 'id').read_text('utf-8', 'replace')}",
                    "InUse": bool(self._users.get(directory.name)),
                    "Shared": False,
                    "Size": tree_size(directory / "data"),
                    "CreatedAt": used,
                    "LastUsedAt": used,
                    "UsageCount": 1,
                }
            )
        return entries

    def prune(self, *, until: float | None = None) -> tuple[list[str], int]:
        """Delete directories that no step uses; with ``until`` only those last used before it. (ids, bytes)."""
        removed, freed = [], 0
        with self._changed:
            for directory in self._directories():
                late = until is not None and directory.stat().st_mtime > until
                if late or self._users.get(directory.name):
                    continue
                size = tree_size(directory / "data")
                remove_directory(directory)
                removed.append(directory.name)
                freed += size
        return removed, freed

    def _directories(self) -> list[Path]:
        if not self._root.is_dir():
            return []
        return sorted(path for path in self._root.iterdir() if not path.name.startswith("."))

    def recover(self) -> None:
        """Drop what a killed engine left half made."""
        if self._root.is_dir():
            for path in self._root.iterdir():
                if path.name.startswith("."):
                    remove_directory(path)
