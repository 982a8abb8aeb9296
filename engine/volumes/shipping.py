"""Snapshots to and from a registry, as an artifact of our own: for each volume the tar of its content, in parts.

A part is 32 MB of the tar, compressed by itself, so that an interrupted push or a later one sends only what the registry lacks, and
memory has a bound. The configuration has, for each volume, the tar's size and digest: what is pulled is compared with it before any of it
becomes a snapshot. Version 1; a reader refuses what is newer.
"""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import Conflict, InvalidParameter
from ..images.pack import pack
from ..images.tarstream import Limits
from ..images.unpack import unpack
from ..linux import entries, overlay
from ..linux import mount as kernel
from ..shapes import members, number
from . import incoming, layers
from .snapshots import Snapshot, check_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ..images.manifest import Descriptor
    from ..images.progress import Reporter
    from ..images.registry.artifacts import Artifact, Artifacts
    from ..layout import Layout
    from ..store import Store
    from ..trash import Trash
    from .service import Volumes
    from .snapshots import Snapshots

KIND = "application/vnd.pycompose.snapshot.v1"
CONFIG = "application/vnd.pycompose.snapshot.config.v1+json"
PART = "application/vnd.pycompose.snapshot.part.v1.tar+zstd"
VOLUME = "io.pycompose.volume"
VERSION = 1
PART_SIZE = 32 << 20
_LEVEL = 3


class Shipping:
    def __init__(self, layout: Layout, store: Store, volumes: Volumes, snapshots: Snapshots, trash: Trash) -> None:
        self._layout, self._store, self._trash = layout, store, trash
        self._volumes, self._snapshots = volumes, snapshots

    def push(self, group: str, name: str, artifacts: Artifacts, report: Reporter) -> str:
        """Send the snapshot; the digest of its manifest. Raises NotFound, Unauthorized, Unavailable."""
        told: dict[str, object] = {}
        parts: list[dict[str, object]] = []
        with self._snapshots.reading(group, name) as snapshot:
            for key, stack in sorted(snapshot.volumes.items()):
                sender = _Sender(artifacts, key, report)
                with self._opened(stack) as data:
                    pack(data, sender.write, layer=False, exact=True)
                sender.end()
                told[key] = {"size": sender.size, "digest": f"sha256:{sender.digest.hexdigest()}"}
                parts += sender.parts
        config = {"version": VERSION, "group": group, "name": name, "created": snapshot.created, "volumes": told}
        digest = artifacts.publish(KIND, CONFIG, config, parts)
        self._snapshots.announce("push", group, name)
        return digest

    def pull(self, group: str, name: str, artifact: Artifact, artifacts: Artifacts, report: Reporter) -> Snapshot:
        """Fetch all volumes, and make a snapshot of them once they are whole. Raises InvalidParameter, Conflict, Unavailable."""
        wanted = _wanted(artifact)
        check_name(group)
        name = name or str(artifact.config.get("name"))
        check_name(name)
        if any(one.id == f"{group}/{name}" for one in self._snapshots.list(group)):
            raise Conflict(f"project {group} has a snapshot {name} already: remove it, or choose another name")
        staged: dict[str, Path] = {}
        try:
            for key, (size, digest, blobs) in wanted.items():
                staged[key] = home = incoming.stage(self._layout)
                source = _Parts(artifacts, key, blobs, size, report)
                unpack(iter(source), home / "_data", layer=False, limits=Limits(marked=True))
                source.finish(digest)
            incoming.sync(self._layout)
            snapshot = self._commit(group, name, staged)
            self._snapshots.announce("pull", group, name)
            return snapshot
        finally:
            self._trash.take([doomed for home in staged.values() for doomed in incoming.put_aside(self._layout, home)])

    def _commit(self, group: str, name: str, staged: Mapping[str, Path]) -> Snapshot:
        with self._volumes.changing():
            stacks: dict[str, tuple[str, ...]] = {}
            for key, home in staged.items():
                layer = layers.make(self._layout, self._store, None)
                (home / "_data").rename(layers.directory(self._layout, layer))
                stacks[key] = (layer,)
            snapshot = Snapshot(group, name, time.time_ns(), stacks)
            self._store.put(layers.SNAPSHOT, snapshot.id, snapshot.record())
            return snapshot

    @contextmanager
    def _opened(self, stack: tuple[str, ...]) -> Iterator[int]:
        """The layers as one directory, read-only."""
        paths = tuple(layers.directory(self._layout, layer) for layer in stack)
        if len(paths) == 1:
            data = entries.open_root(paths[0])
        else:
            mounted = kernel.mount_overlay(tuple(map(str, paths)), None, None, overlay.CHEAP)
            try:
                data = entries.open_directory(mounted, ".")
            finally:
                os.close(mounted)
        try:
            yield data
        finally:
            os.close(data)


class _Sender:
    """Takes a volume's tar, and sends it in parts."""

    def __init__(self, artifacts: Artifacts, key: str, report: Reporter) -> None:
        self._artifacts, self._key, self._report = artifacts, key, report
        self._held = bytearray()
        self.size = self.sent = 0
        self.digest = hashlib.sha256()
        self.parts: list[dict[str, object]] = []

    def write(self, data: bytes | bytearray) -> None:
        self._held += data
        while len(self._held) >= PART_SIZE:
            self._send(PART_SIZE)

    def end(self) -> None:
        if self._held:
            self._send(len(self._held))
        words = f"Pushed {self.sent} of {len(self.parts)} parts" if self.sent else "Already exists"
        self._report({"status": words, "progressDetail": {}, "id": self._key})

    def _send(self, size: int) -> None:
        import zstandard  # seldom used, and large

        piece = bytes(self._held[:size])
        del self._held[:size]
        self.digest.update(piece)
        self.size += size
        blob, is_new = self._artifacts.send(PART, zstandard.ZstdCompressor(_LEVEL).compress(piece))
        self.sent += is_new
        self.parts.append({**blob.json(), "annotations": {VOLUME: self._key}})
        self._report.counter("Pushing", self._key, self.size, 0)


class _Parts:
    """A volume's tar from its parts. Iterate to the end, then ask for the verdict."""

    def __init__(
        self, artifacts: Artifacts, key: str, blobs: tuple[Descriptor, ...], size: int, report: Reporter
    ) -> None:
        self._artifacts, self._key, self._blobs, self._report = artifacts, key, blobs, report
        self._size, self._done = size, 0
        self._digest = hashlib.sha256()
        self._rest = self._pieces()

    def __iter__(self) -> Iterator[bytes]:
        return self._rest

    def finish(self, digest: str) -> None:
        """Raises InvalidParameter when it was not what the configuration says."""
        for _ in self._rest:
            pass  # zeros after the end marker
        if self._done != self._size or f"sha256:{self._digest.hexdigest()}" != digest:
            raise InvalidParameter(f"volume {self._key} of the snapshot is not what its digest says")
        self._report({"status": "Pull complete", "progressDetail": {}, "id": self._key})

    def _pieces(self) -> Iterator[bytes]:
        import zstandard

        for blob in self._blobs:
            try:
                data = self._artifacts.get(blob)
                if not 0 <= zstandard.frame_content_size(data) <= PART_SIZE:  # it says how much memory is taken
                    raise InvalidParameter(
                        f"volume {self._key} of the snapshot: a part is larger than {PART_SIZE} bytes"
                    )
                piece = zstandard.ZstdDecompressor().decompress(data)
            except zstandard.ZstdError as error:
                raise InvalidParameter(f"volume {self._key} of the snapshot: a part cannot be read: {error}") from None
            self._digest.update(piece)
            self._done += len(piece)
            self._report.counter("Pulling", self._key, self._done, self._size)
            yield piece


def _wanted(artifact: Artifact) -> dict[str, tuple[int, str, tuple[Descriptor, ...]]]:
    """Size, digest and parts of each volume. Raises InvalidParameter for what is no snapshot, or a later one than we know."""
    if artifact.kind != KIND:
        raise InvalidParameter(f"this is no snapshot but {artifact.kind or 'an image'}")
    version = artifact.config.get("version")
    if version != VERSION:
        raise InvalidParameter(
            f"the snapshot is of version {version}, this engine knows version {VERSION}: use a newer pycompose"
        )
    found: dict[str, tuple[int, str, tuple[Descriptor, ...]]] = {}
    for key, value in members(artifact.config.get("volumes")).items():
        told = members(value)
        blobs = tuple(blob for blob, tags in artifact.blobs if tags.get(VOLUME) == key)
        if any(blob.size > 2 * PART_SIZE for blob in blobs):
            raise InvalidParameter(f"volume {key} of the snapshot: a part is larger than {2 * PART_SIZE} bytes")
        found[key] = number(told.get("size")), str(told.get("digest")), blobs
    if not found:
        raise InvalidParameter("the snapshot has no volumes")
    return found
