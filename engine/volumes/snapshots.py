"""Snapshots of volumes: several volumes at one moment, under a name, within a group that the client chooses.

Synchronous, callable from any thread. The caller sees to it that no container runs on the volumes meanwhile. A snapshot
is visible when its record is, and that is written in one transaction with the volumes': a crash leaves the earlier
snapshot, and the volumes, whole.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypedDict

from .. import documents
from ..errors import Conflict, InvalidParameter, NotFound
from ..shapes import members, strings
from . import driver, layers

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Iterator, Mapping

    from ..layout import Layout
    from ..store import Store
    from ..trash import Trash
    from .service import Volumes
    from .types import Volume

    Publish = Callable[[str, str, str, Mapping[str, str]], None]

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}")


class SnapshotShown(TypedDict):
    """A snapshot in the API: ``Created`` in ns since the epoch, ``Volumes`` the client's keys."""

    Group: str
    Name: str
    Created: int
    Volumes: list[str]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``volumes`` maps the client's key of a volume to its layers, top-most first; ``created`` in ns since the epoch.
    ``lease`` is the lease it goes with, "" for one that stays."""

    group: str
    name: str
    created: int
    volumes: Mapping[str, tuple[str, ...]]
    lease: str = ""

    @property
    def id(self) -> str:
        return f"{self.group}/{self.name}"

    def record(self) -> dict[str, object]:
        volumes = {key: list(layers) for key, layers in self.volumes.items()}
        return {**documents.members(self), "volumes": volumes}

    @staticmethod
    def from_record(body: Mapping[str, object]) -> Snapshot:
        """Raises Incomplete."""
        volumes = {key: strings(stack) for key, stack in members(body.get("volumes")).items()}
        return documents.build(Snapshot, body, volumes=volumes)

    def to_api(self) -> SnapshotShown:
        return {"Group": self.group, "Name": self.name, "Created": self.created, "Volumes": sorted(self.volumes)}


class Snapshots:
    def __init__(self, layout: Layout, store: Store, volumes: Volumes, trash: Trash, publish: Publish) -> None:
        self._layout = layout
        self._store = store
        self._volumes = volumes
        self._trash = trash
        self._publish = publish
        self._readers: Counter[str] = Counter()

    @contextmanager
    def reading(self, group: str, name: str) -> Iterator[Snapshot]:
        """The snapshot, for something long that reads it: it is neither removed nor replaced meanwhile."""
        with self._volumes.changing():
            snapshot = self.get(group, name)
            self._readers[snapshot.id] += 1
        try:
            yield snapshot
        finally:
            with self._volumes.changing():
                self._readers[snapshot.id] -= 1

    def _refuse_while_read(self, group: str, name: str) -> None:
        if self._readers[f"{group}/{name}"]:
            raise Conflict(f"snapshot {name} of {group} is being pushed: try again when that is done")

    def list(self, group: str = "") -> builtins.list[Snapshot]:
        """Oldest first; of one group or of all."""
        found = [Snapshot.from_record(body) for body in self._store.all(layers.SNAPSHOT).values()]
        return sorted((one for one in found if group in ("", one.group)), key=lambda one: (one.created, one.id))

    def get(self, group: str, name: str) -> Snapshot:
        body = self._store.get(layers.SNAPSHOT, f"{group}/{name}")
        if body is None:
            raise NotFound(f"no snapshot {name} of {group}")
        return Snapshot.from_record(body)

    def save(self, group: str, name: str, volumes: Mapping[str, str], lease: str = "") -> Snapshot:
        """Save ``volumes`` (key -> volume name); an earlier snapshot of this name is replaced at the end, at once."""
        check_name(group)
        check_name(name)
        found = {key: self._volumes.get(volume) for key, volume in volumes.items()}
        for volume in found.values():
            if volume.options:
                raise InvalidParameter(f"volume {volume.name} has driver options: its data is not the engine's to save")
        with self._volumes.changing():
            self._refuse_while_read(group, name)
            try:
                snapshot = self._save(group, name, found, lease)
            except BaseException:
                self._trash.take(layers.recover(self._layout, self._store))
                raise
            doomed = layers.collect(self._layout, self._store)
        self._trash.take(doomed)
        self.announce("save", group, name)
        return snapshot

    def _save(self, group: str, name: str, found: Mapping[str, Volume], lease: str) -> Snapshot:
        after: dict[str, Volume] = {}
        for key, volume in found.items():
            self._volumes.release(volume.name)
            after[key] = self._advance(volume) if volume.upper else self._convert(volume)
        snapshot = Snapshot(group, name, time.time_ns(), {key: one.layers for key, one in after.items()}, lease)
        with self._store.transaction():
            for volume in after.values():
                self._store.put("volume", volume.name, volume.record())
            self._store.put(layers.SNAPSHOT, snapshot.id, snapshot.record())
        for volume in after.values():
            self._volumes.path(volume.name).mkdir(exist_ok=True, mode=0o755)
        return snapshot

    def _advance(self, volume: Volume) -> Volume:
        """The upper layer becomes a lower one; an untouched one is simply kept on."""
        own = layers.directory(self._layout, volume.upper)
        if not any(own.iterdir()):
            return volume
        fresh = layers.make(self._layout, self._store, own)
        return replace(volume, layers=(volume.upper, *volume.layers), upper=fresh)

    def _convert(self, volume: Volume) -> Volume:
        """The plain directory becomes the first layer."""
        data = self._volumes.acquire(volume.name)
        layer = layers.make(self._layout, self._store, None)
        self._store.put("volume", volume.name, replace(volume, pending=layer).record())
        moved = layers.directory(self._layout, layer)
        data.rename(moved)
        return replace(volume, layers=(layer,), upper=layers.make(self._layout, self._store, moved))

    def restore(self, group: str, name: str, volumes: Mapping[str, str]) -> None:
        """Bring ``volumes`` (key -> volume name) to what they were. What they hold now is dropped."""
        snapshot = self.get(group, name)
        missing = volumes.keys() - snapshot.volumes.keys()
        if missing:
            raise NotFound(f"snapshot {name} of {group} has no volume {', '.join(sorted(missing))}")
        with self._volumes.changing():
            after = []
            for key, volume_name in volumes.items():
                volume = self._volumes.get(volume_name)
                if volume.options:
                    raise InvalidParameter(f"volume {volume.name} has driver options: its data is not the engine's")
                self._volumes.refuse_while_read(volume_name)
                self._volumes.release(volume_name)
                if driver.is_mounted(self._volumes.path(volume_name)):
                    raise Conflict(f"volume {volume_name} is still in use")
                stack = snapshot.volumes[key]
                fresh = layers.make(self._layout, self._store, layers.directory(self._layout, stack[0]))
                after.append(replace(volume, layers=stack, upper=fresh))
            with self._store.transaction():
                for volume in after:
                    self._store.put("volume", volume.name, volume.record())
            for volume in after:
                self._volumes.empty_plain(volume.name)
            doomed = layers.collect(self._layout, self._store)
        self._trash.take(doomed)
        self.announce("restore", group, name)

    def remove(self, group: str, name: str) -> None:
        """Volumes that were restored from it keep what they have."""
        snapshot = self.get(group, name)
        with self._volumes.changing():
            self._refuse_while_read(group, name)
            self._store.delete(layers.SNAPSHOT, snapshot.id)
            doomed = layers.collect(self._layout, self._store)
        self._trash.take(doomed)
        self.announce("remove", group, name)

    def announce(self, action: str, group: str, name: str) -> None:
        """Tell whoever listens what has become of a snapshot."""
        self._publish("snapshot", action, f"{group}/{name}", {"name": name, "group": group})


def check_name(name: str) -> None:
    """Raises InvalidParameter for what cannot be the name of a snapshot or of a group."""
    if not _NAME.fullmatch(name):
        raise InvalidParameter(f"invalid snapshot name {name!r}: letters, digits, underscore, dot and dash")


def of_lease(snapshots: Snapshots, lease: str) -> list[Snapshot]:
    return [one for one in snapshots.list() if one.lease == lease]
