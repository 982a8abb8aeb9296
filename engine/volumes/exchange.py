"""Volumes as archives, and copies of them: export, import, clone. Synchronous, callable from any thread.

Import and clone first fill a directory of their own, for as long as that takes (``receive``, ``copy``); ``commit`` makes it the
volume's data at once. Whoever filled one either commits or drops it.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import Conflict, InvalidParameter
from ..images.compression import chunks, decompress
from ..images.pack import pack
from ..images.tarstream import Limits
from ..images.unpack import unpack
from ..linux.tree import tree_allocated
from . import driver, incoming, layers, seed
from .types import Volume, check_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import BinaryIO

    from ..layout import Layout
    from ..store import Store
    from ..trash import Trash
    from .service import Volumes


class Exchange:
    def __init__(self, layout: Layout, store: Store, volumes: Volumes, trash: Trash) -> None:
        self._layout = layout
        self._store = store
        self._volumes = volumes
        self._trash = trash

    def export(self, name: str, write: Callable[[bytes | bytearray], object]) -> None:
        """Send the volume as a tar: owners, modes, times to the nanosecond, attributes, links, FIFOs, devices and holes."""
        with self._volumes.reading(name) as data:
            pack(data, write, layer=False, exact=True)

    def usage(self, name: str) -> dict[str, str | int]:
        """What the volume holds as containers see it, layers of snapshots included; -1 for data that is elsewhere."""
        volume = self._volumes.get(name)
        size = allocated = -1
        if not volume.options:
            data = self._volumes.opened(name)
            try:
                size, allocated = tree_allocated(data)
            finally:
                os.close(data)
        return {"Name": name, "Size": size, "Allocated": allocated, "RefCount": self._volumes.users(name)}

    def check(self, name: str, *, force: bool) -> None:
        """Refuse what ``commit`` would refuse, before anything is sent. Raises InvalidParameter, Conflict."""
        check_name(name)
        body = self._store.get("volume", name)
        if body is None:
            return
        volume = Volume.from_record(body)
        if volume.options:
            raise InvalidParameter(f"volume {name} has driver options: its data is not the engine's to replace")
        if not force and not self._volumes.is_empty(name):
            raise Conflict(f"volume {name} is not empty: only with --force what it holds is replaced")

    def receive(self, stream: BinaryIO) -> Path:
        """Unpack a tar (any compression) for a volume. One without its end marker was cut off and is refused."""
        limits = Limits(marked=True)
        return self._filled(lambda data: unpack(decompress(chunks(stream)), data, layer=False, limits=limits))

    def copy(self, source: str) -> Path:
        """Copy what a volume holds."""
        with self._volumes.reading(source) as data:
            return self._filled(lambda target: seed.copy_live(data, target))

    def _filled(self, fill: Callable[[Path], object]) -> Path:
        staged = incoming.stage(self._layout)
        try:
            fill(staged / "_data")
            incoming.sync(self._layout)
        except BaseException:
            self.drop(staged)
            raise
        return staged

    def commit(self, name: str, staged: Path, *, force: bool) -> Volume:
        """Make it the volume's data; the volume is created where there is none. No container may run on it meanwhile."""
        with self._volumes.changing():
            self.check(name, force=force)
            self._volumes.refuse_while_read(name)
            body = self._store.get("volume", name)
            before = None if body is None else Volume.from_record(body)
            self._volumes.release(name)
            if driver.is_mounted(self._volumes.path(name)):
                raise Conflict(f"volume {name} is still in use")
            after = replace(before or Volume.new(name), layers=(), upper="", pending="", incoming=staged.name)
            self._store.put("volume", name, after.record())
            doomed = incoming.settle(self._layout, self._store, after)
            doomed += layers.collect(self._layout, self._store)
        self._trash.take(doomed)
        if before is None:
            self._volumes.announce("create", name)
        return self._volumes.get(name)

    def drop(self, staged: Path) -> None:
        """Forget what was not committed."""
        if all(volume.incoming != staged.name for volume in self._volumes.list()):
            self._trash.take(incoming.put_aside(self._layout, staged))
