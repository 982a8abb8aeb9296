"""The engine's volumes: directories (or mounts) that outlive containers. The one driver is ``local``.

``Volumes`` is synchronous and may be called from any thread. Data lies in ``state/volumes/<name>/_data``. A volume is
never deleted because something failed, only when ``remove`` or ``prune`` names it and no container refers to it.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections import Counter
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ..errors import Conflict, InvalidParameter, NotFound
from ..linux import entries
from ..linux.spread import spread
from ..linux.tree import tree_size
from ..shapes import truth
from . import driver, incoming, layers, seed
from .types import ANONYMOUS, Volume, check_driver, check_name, check_options, passes

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ..layout import Layout
    from ..store import Store
    from ..trash import Trash
    from .types import VolumeShown

    Publish = Callable[[str, str, str, Mapping[str, str]], None]


_REMOVED = ".removed-"
"""Prefix of a directory that is on its way out; no volume's name begins with a dot."""
_NEW = ".new-"


class Volumes:
    """``users`` tells which containers (ids) refer to a volume; the containers layer registers it with ``protect``."""

    def __init__(self, layout: Layout, store: Store, publish: Publish, trash: Trash) -> None:
        self._layout = layout
        self._store = store
        self._publish = publish
        self._trash = trash
        for directory in (layout.volumes, layout.layered):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            spread(directory)
        self._lock = threading.RLock()
        self._seeding: dict[str, threading.Lock] = {}
        self._readers: Counter[str] = Counter()
        self._users: Callable[[str], Sequence[str]] = lambda name: ()

    def protect(self, users: Callable[[str], Sequence[str]]) -> None:
        """Register who knows the containers that refer to a volume by name."""
        self._users = users

    # look-up -------------------------------------------------------------------------------------------------------
    def get(self, name: str) -> Volume:
        body = self._store.get("volume", name)
        if body is None:
            raise NotFound(f"get {name}: no such volume")
        return Volume.from_record(body)

    def list(self, filters: Mapping[str, Sequence[str]] | None = None) -> builtins.list[Volume]:
        """All volumes by name; filters as Docker's."""
        volumes = [Volume.from_record(body) for body in self._store.all("volume").values()]
        return [volume for volume in volumes if passes(volume, filters or {}, used=bool(self._users(volume.name)))]

    def inspect(self, volume: Volume) -> VolumeShown:
        return {
            "CreatedAt": volume.created,
            "Driver": "local",
            "Labels": dict(volume.labels) or None,
            "Mountpoint": str(self.path(volume.name)),
            "Name": volume.name,
            "Options": dict(volume.options) or None,
            "Scope": "local",
        }

    def usage(self, volume: Volume) -> dict[str, int]:
        """UsageData of GET /system/df: bytes, and how many containers refer to it."""
        data = layers.directory(self._layout, volume.upper) if volume.upper else self.path(volume.name)
        size = -1 if volume.options else tree_size(data)
        return {"Size": size, "RefCount": self.users(volume.name)}

    def users(self, name: str) -> int:
        """How many containers refer to the volume."""
        return len(self._users(name))

    def path(self, name: str) -> Path:
        return self._layout.volumes / name / "_data"

    # change --------------------------------------------------------------------------------------------------------
    def create(
        self,
        name: str = "",
        *,
        driver: str = "",
        options: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Volume:
        """The volume of this name, made when it is missing. Without a name: an anonymous one with 64 hex digits."""
        check_driver(driver)
        if name:
            check_name(name)
        given = dict(labels or {})
        if not name:
            name = secrets.token_hex(32)
            given.setdefault(ANONYMOUS, "")
        with self._lock:
            body = self._store.get("volume", name)
            if body is not None:
                return Volume.from_record(body)
            check_options(options or {})
            volume = Volume.new(name, given, options)
            self._make(name)
            try:
                self._store.put("volume", name, volume.record())
            except BaseException:
                _unmake(self._layout.volumes / name)
                raise
        self.announce("create", name)
        return volume

    def _make(self, name: str) -> None:
        """The volume's directory. It gets its name last: ext4 places a directory by the hash of the name it is made
        with, and so once more where the files of a volume of this name have just been deleted (see linux.spread)."""
        home = self._layout.volumes / name
        if home.exists():  # of a creation that was cut short
            self.path(name).mkdir(exist_ok=True, mode=0o755)
            return
        fresh = self._layout.volumes / f"{_NEW}{secrets.token_hex(8)}"
        fresh.mkdir(mode=0o700)
        try:
            (fresh / "_data").mkdir(mode=0o755)
            fresh.rename(home)
        except BaseException:
            _unmake(fresh)
            raise

    def remove(self, name: str, *, force: bool = False) -> None:
        """Forget the volume; its data is deleted behind the answer. Conflict while a container refers to it; with ``force``
        absence is fine."""
        with self._lock:
            try:
                self.get(name)
            except NotFound:
                if force:
                    return
                raise
            if users := self._users(name):
                raise Conflict(f"remove {name}: volume is in use - [{', '.join(users)}]")
            self.refuse_while_read(name)
            doomed = self._put_aside(name)
        self._trash.take(doomed)
        self.announce("destroy", name)

    def prune(self, filters: Mapping[str, Sequence[str]] | None = None) -> tuple[builtins.list[str], int]:
        """Remove unused anonymous volumes (all unused ones with filter all=true): names and bytes reclaimed."""
        wanted = dict(filters or {})
        if len(wanted.get("all") or ()) > 1:
            raise InvalidParameter("invalid filter 'all': only one value is expected")
        every = truth("all", wanted["all"]) if wanted.get("all") else False
        removed, reclaimed = [], 0
        for volume in self.list({key: values for key, values in wanted.items() if key != "all"}):
            if not every and not volume.anonymous:
                continue
            with self._lock:
                if self._users(volume.name) or self._readers[volume.name]:
                    continue
                size = self.usage(volume)["Size"]
                doomed = self._put_aside(volume.name)
            self._trash.take(doomed)
            reclaimed += max(size, 0)
            removed.append(volume.name)
            self.announce("destroy", volume.name)
        if removed:
            self._trash.empty()  # who prunes wants the space now
        self._publish("volume", "prune", "", {"reclaimed": str(reclaimed)})
        return removed, reclaimed

    def _put_aside(self, name: str) -> builtins.list[Path]:
        """Forget the volume; the directories that are now to be deleted. What is not yet is found by ``recover``."""
        self.release(name)
        root = self._layout.volumes / name
        if driver.is_mounted(self.path(name)):
            raise Conflict(f"remove {name}: {self.path(name)} is still mounted")
        volume = self.get(name)
        doomed = []
        if root.exists():
            doomed.append(self._layout.volumes / f"{_REMOVED}{secrets.token_hex(8)}")
            root.rename(doomed[0])
        self._store.delete("volume", name)
        if volume.upper:
            doomed += layers.collect(self._layout, self._store)
        return doomed

    def recover(self) -> None:
        """Finish removals that were cut short, and forget empty directories of creations that were."""
        self._trash.take([*incoming.recover(self._layout, self._store), *layers.recover(self._layout, self._store)])
        known = self._store.all("volume").keys()
        for entry in os.scandir(self._layout.volumes):
            if entry.name.startswith(_REMOVED):
                self._trash.take([self._layout.volumes / entry.name])
            elif entry.name not in known and not entry.name.startswith(incoming.PREFIX):
                _unmake(self._layout.volumes / entry.name)

    # use -----------------------------------------------------------------------------------------------------------
    def acquire(self, name: str) -> Path:
        """The directory to bind into a container; mounts what the driver options ask for, once per boot."""
        volume = self.get(name)
        data = self.path(name)
        with self._lock:
            if not data.is_dir():
                data.mkdir(parents=True, mode=0o755)
            if (volume.options or volume.layers) and not driver.is_mounted(data):
                if volume.layers:
                    layers.mount(self._layout, volume, data)
                else:
                    driver.mount(volume.options, data)
        return data

    def release(self, name: str) -> None:
        """Undo what ``acquire`` mounted; nothing happens while something still uses it."""
        if os.path.isdir(self.path(name)):
            driver.unmount(self.path(name))

    def opened(self, name: str) -> int:
        """The volume's directory, which stays what it is now while somebody else unmounts or replaces it."""
        with self._lock:
            return entries.open_root(self.acquire(name))

    @contextmanager
    def reading(self, name: str) -> Iterator[int]:
        """The volume's directory, open, for something long that reads it: it is neither removed nor replaced meanwhile."""
        with self._lock:
            fd = self.opened(name)
            self._readers[name] += 1
        try:
            yield fd
        finally:
            os.close(fd)
            with self._lock:
                self._readers[name] -= 1
                self._readers += Counter()  # drops what nobody reads

    def refuse_while_read(self, name: str) -> None:
        """Raises Conflict while the volume is exported or cloned."""
        if self._readers[name]:
            raise Conflict(f"volume {name} is being exported or cloned: try again when that is done")

    def announce(self, action: str, name: str) -> None:
        self._publish("volume", action, name, {"driver": "local"})

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold every volume as it is: nobody acquires, creates or removes one meanwhile."""
        with self._lock:
            yield

    def empty_plain(self, name: str) -> None:
        """Drop what lies in the plain directory of a volume whose data is in layers now; it is but a mount point."""
        data = self.path(name)
        if driver.is_mounted(data):
            raise Conflict(f"volume {name} is still in use")
        doomed = self._layout.volumes / f"{_REMOVED}{secrets.token_hex(8)}"
        data.rename(doomed)
        data.mkdir(mode=0o755)
        self._trash.take([doomed])

    def is_empty(self, name: str) -> bool:
        """Whether the volume holds nothing yet; a peek, ``seeding`` decides."""
        with os.scandir(self.acquire(name)) as entries:
            return next(entries, None) is None

    @contextmanager
    def seeding(self, name: str) -> Iterator[Path | None]:
        """Hold the volume for first use: yields its directory when it is still empty, else None.

        One container at a time seeds a volume; a second one waits and finds it filled.
        """
        with self._lock:
            lock = self._seeding.setdefault(name, threading.Lock())
        with lock:
            data = self.acquire(name)
            yield data if self.is_empty(name) else None

    def populate(self, data: Path, root_fd: int, destination: str) -> None:
        """Fill an empty volume from ``destination`` below the image root ``root_fd``, if it is there."""
        seed.copy_up(root_fd, destination, data)


def _unmake(home: Path) -> None:
    """Take a volume's directory back. Only what is empty: data without a record is a riddle, and riddles are not deleted."""
    for path in (home / "_data", home):
        with suppress(OSError):
            path.rmdir()
