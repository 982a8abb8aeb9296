"""The layer store: unpacked layers by chain ID, in overlayfs form, each made once and never changed.

    layers/<24 hex of chain id>/fs      the tree, an overlay's lowerdir

A layer is made in the ingest directory and renamed. Its record tells its parent, its size, and where its exact tar comes
from: the tree itself (canonical, see pack.py) or a kept blob.
"""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections import Counter
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from ..errors import EngineError, NotFound
from ..linux import entries
from ..linux.tree import remove_directory
from .blobs import DigestMismatch
from .compression import chunks, decompress
from .durability import boot_id
from .manifest import Descriptor
from .pack import clamp_times, pack
from .pipeline import Ahead, Digester, Produced
from .types import Layer
from .unpack import unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ..layout import Layout
    from ..store import Store
    from ..trash import Trash
    from .blobs import Blobs
    from .bodies import LayerRecord
    from .durability import Durability
    from .tarstream import Limits

KIND = "layer"
LOCAL_ZSTD = "application/vnd.pycompose.layer.tar+zstd"
"""The media type of blobs that only this store keeps, to give back a foreign tar exactly; never sent to a registry."""


def chain_id(parent: str, diff_id: str) -> str:
    """OCI image specification, config.md, "Layer ChainID"."""
    if not parent:
        return diff_id
    return f"sha256:{hashlib.sha256(f'{parent} {diff_id}'.encode()).hexdigest()}"


def chain(diff_ids: Iterable[str]) -> list[str]:
    """The chain ID at each level, bottom first."""
    chains: list[str] = []
    for diff_id in diff_ids:
        chains.append(chain_id(chains[-1] if chains else "", diff_id))
    return chains


class _Measure(NamedTuple):
    diff_id: str
    size: int
    tar_size: int


class Layers:
    def __init__(
        self,
        layout: Layout,
        store: Store,
        blobs: Blobs,
        durability: Durability,
        limits: Limits | None = None,
        trash: Trash | None = None,
    ) -> None:
        self._layout = layout
        self._blobs = blobs
        self._store = store
        self._durability = durability
        self._limits = limits
        self._trash = trash
        self._boot = boot_id()
        self._lock = threading.Lock()
        self._held: Counter[str] = Counter()
        self._leases: list[set[str]] = []
        layout.layers.mkdir(parents=True, exist_ok=True, mode=0o700)

    def path(self, chain_id: str) -> Path:
        return self._layout.layer(chain_id) / "fs"

    def record(self, chain_id: str) -> LayerRecord | None:
        return cast("LayerRecord | None", self._store.get(KIND, chain_id))

    def records(self) -> dict[str, LayerRecord]:
        """All of them, by chain ID."""
        return cast("dict[str, LayerRecord]", self._store.all(KIND))

    def get(self, chain_id: str) -> Layer | None:
        record = self.record(chain_id)
        return None if record is None else Layer(record["diff_id"], chain_id, record["size"])

    def stack(self, diff_ids: Iterable[str]) -> tuple[Layer, ...]:
        """The layers of an image, bottom first. Raises NotFound when one is missing."""
        layers = []
        for level in chain(diff_ids):
            layer = self.get(level)
            if layer is None:
                raise NotFound(f"layer {level} is not in the store")
            layers.append(layer)
        return tuple(layers)

    # making --------------------------------------------------------------------------------------------------------
    def apply(
        self,
        source: Iterable[bytes],
        parents: Sequence[Layer],
        *,
        diff_id: str = "",
        blob: Descriptor | None = None,
        keep: Callable[[], Descriptor] | None = None,
    ) -> Layer:
        """Unpack an uncompressed layer tar.

        Without ``diff_id`` the layer's tar is the canonical one, whatever the stream was. With it, the stream must have
        that digest (DigestMismatch), and its exact tar stays available: from ``blob``, which holds it compressed; else
        from the tree, when the stream was canonical; else from what ``keep`` makes of it.
        """
        below = [self.path(layer.chain_id) for layer in reversed(parents)]
        with self._making() as directory:
            tree = directory / "fs"
            with Digester() as digester, Ahead(digester.tee(source)) as ahead:
                size = unpack(ahead, tree, layer=True, parents=below, limits=self._limits)
                actual, tar_size = digester.digest, digester.size
            if diff_id and actual != diff_id:
                raise DigestMismatch(f"layer does not match its digest: expected {diff_id}, got {actual}")
            if blob is None:
                canonical = self._measure(tree)
                if not diff_id:
                    return self._publish(directory, parents, canonical, None)
                if canonical.diff_id != diff_id and keep is not None:
                    blob = keep()
            return self._publish(directory, parents, _Measure(diff_id, size, tar_size), blob)

    def adopt(self, tree: Path, parents: Sequence[Layer], *, clamp: int | None = None) -> Layer:
        """Take a directory in overlay-upper form away and make it a layer."""
        with self._making(empty=True) as directory:
            if clamp is not None:
                clamp_times(tree, clamp)
            measure = self._measure(tree)
            os.rename(tree, directory / "fs")
            return self._publish(directory, parents, measure, None)

    def copy(
        self, tree: Path, parents: Sequence[Layer], *, clamp: int | None = None, without: Sequence[str] = ()
    ) -> Layer:
        """Make a layer of a directory in overlay-upper form that stays where it is. ``without`` are paths of empty files that
        are left out."""
        with self._making() as directory:
            target = directory / "fs"
            with Produced(lambda write: pack(tree, write, layer=True, clamp=clamp)) as produced:
                unpack(produced, target, layer=True, limits=self._limits)
            for path in without:
                _leave_out(target, path.split("/"))
            return self._publish(directory, parents, self._measure(target), None)

    @contextmanager
    def tar(self, layer: Layer) -> Iterator[Iterator[bytes]]:
        """The layer's exact tar, uncompressed, as chunks."""
        blob = self.blob(layer)
        if blob is not None:
            with self._blobs.open(blob.digest) as file:
                yield decompress(chunks(file))
            return
        tree = self.path(layer.chain_id)
        with Produced(lambda write: pack(tree, write, layer=True)) as produced:
            yield produced

    def tar_size(self, layer: Layer) -> int:
        """Bytes of the layer's uncompressed tar."""
        record = self.record(layer.chain_id)
        if record is None:
            raise NotFound(f"layer {layer.chain_id} is not in the store")
        return record["tar_size"]

    def blob(self, layer: Layer) -> Descriptor | None:
        """The blob that holds the layer as it came, or None when its tree is enough."""
        record = self.record(layer.chain_id)
        if record is None or "blob" not in record:
            return None
        return Descriptor(record["media_type"], record["blob"], record["blob_size"])

    def note(self, layer: Layer, **values: object) -> None:
        """Remember something about a layer, such as the digest of its compressed form."""
        with self._lock:
            record = self.record(layer.chain_id)
            if record is not None:
                self._store.put(KIND, layer.chain_id, {**record, **values})

    def note_place(self, layer: Layer, repository: str) -> None:
        """Remember that a repository (canonical name) has the layer's blob: it can be mounted into its neighbours."""
        record = self.record(layer.chain_id)
        others = [place for place in record.get("places", ()) if place != repository] if record else []
        self.note(layer, places=[repository, *others][:8])

    def _measure(self, tree: Path) -> _Measure:
        with Digester() as digester:
            size = pack(tree, digester.update, layer=True)
            return _Measure(digester.digest, size, digester.size)

    @contextmanager
    def _making(self, *, empty: bool = False) -> Iterator[Path]:
        directory = self._layout.ingest / f"{os.urandom(12).hex()}.layer"
        directory.mkdir(mode=0o700)
        if not empty:
            (directory / "fs").mkdir(mode=0o755)
        try:
            with nullcontext() if self._trash is None else self._trash.resting():
                yield directory
        finally:
            self.delete_tree(directory)

    def delete_tree(self, path: str | Path) -> None:
        """Remove a directory of the store and all below it."""
        remove_directory(Path(path))

    def discard(self, doomed: Iterable[Path]) -> None:
        """Remove directories of the ingest directory: by the trash, where there is one, and so a little later."""
        if self._trash is not None:
            self._trash.take(doomed)
        else:
            for path in doomed:
                self.delete_tree(path)

    def _publish(self, directory: Path, parents: Sequence[Layer], measure: _Measure, blob: Descriptor | None) -> Layer:
        parent = parents[-1].chain_id if parents else ""
        layer = Layer(measure.diff_id, chain_id(parent, measure.diff_id), measure.size)
        body: LayerRecord = {
            "diff_id": measure.diff_id,
            "parent": parent,
            "size": measure.size,
            "tar_size": measure.tar_size,
            "boot": self._boot,
        }
        if blob is not None:
            body["blob"], body["blob_size"], body["media_type"] = blob.digest, blob.size, blob.media_type
        with self._lock:
            for lease in self._leases:
                lease.add(layer.chain_id)
            if self.record(layer.chain_id) is not None:
                return layer
            with self._durability.writing(lambda: self._synced(layer.chain_id)):
                target = self._layout.layer(layer.chain_id)
                if target.exists():
                    self.delete_tree(target)  # a leftover without a record
                os.rename(directory, target)
                self._store.put(KIND, layer.chain_id, body)
        return layer

    def _synced(self, chain_id: str) -> None:
        with self._lock:
            record = self.record(chain_id)
            if record is not None and "boot" in record:
                del record["boot"]
                self._store.put(KIND, chain_id, record)

    # keeping and removing ------------------------------------------------------------------------------------------
    @contextmanager
    def hold(self, chain_ids: Sequence[str]) -> Iterator[None]:
        with self._lock:
            self._held.update(chain_ids)
        try:
            yield
        finally:
            with self._lock:
                self._held.subtract(chain_ids)
                for level in chain_ids:
                    if self._held[level] <= 0:
                        del self._held[level]

    @contextmanager
    def lease(self) -> Iterator[None]:
        """While inside, layers made meanwhile (by whomever) stay, though no image has them yet."""
        lease: set[str] = set()
        with self._lock:
            self._leases.append(lease)
        try:
            yield
        finally:
            with self._lock:
                self._leases = [other for other in self._leases if other is not lease]

    def collect(self, used: Iterable[str], candidates: Iterable[str] | None = None) -> list[tuple[Layer, LayerRecord]]:
        """Delete layers (of ``candidates``, or all) that neither ``used`` nor a hold needs; returns what went.

        A used layer keeps all layers below it. With a trash the directories are deleted a little later.
        """
        removed: list[tuple[Layer, LayerRecord]] = []
        doomed: list[Path] = []
        with self._lock:
            records = self.records()
            live: set[str] = set()
            for level in [*used, *self._held, *(level for lease in self._leases for level in lease)]:
                while level and level not in live:
                    live.add(level)
                    level = records[level]["parent"] if level in records else ""
            wanted = records if candidates is None else [c for c in candidates if c in records]
            with self._store.transaction():
                for level in wanted:
                    if level in live:
                        continue
                    self._store.delete(KIND, level)
                    removed.append((Layer(records[level]["diff_id"], level, records[level]["size"]), records[level]))
            for layer, _ in removed:
                # Renamed first, so that a layer made again meanwhile finds its name free.
                aside = self._layout.ingest / f"{os.urandom(12).hex()}.trash"
                try:
                    os.rename(self._layout.layer(layer.chain_id), aside)
                except FileNotFoundError:
                    continue
                doomed.append(aside)
        self.discard(doomed)
        return removed

    def recover(self, in_doubt: bool) -> set[str]:
        """Drop directories without a record and records without a directory.

        With ``in_doubt`` (the machine went down) layers that were not synced are checked: a tree that no longer has its
        digest goes; one that came from a blob is unpacked from it again. Returns the chain IDs that were lost.
        """
        records = self.records()
        lost: set[str] = set()
        for level in _parents_first(records):
            record = records[level]
            orphan = record["parent"] in lost or (record["parent"] and record["parent"] not in records)
            doubtful = not self.path(level).is_dir() or (in_doubt and record.get("boot", self._boot) != self._boot)
            if orphan or (doubtful and not (in_doubt and self._repair(level, record, records))):
                lost.add(level)
        with self._store.transaction():
            for level in lost:
                self._store.delete(KIND, level)
        known = {self._layout.layer(level).name for level in records if level not in lost}
        for entry in list(os.scandir(self._layout.layers)):
            if entry.name not in known:
                self.delete_tree(entry.path)
        for level, record in records.items():
            if level not in lost and "boot" in record:
                with self._durability.writing(lambda level=level: self._synced(level)):  # type: ignore[misc]
                    pass  # a killed engine of this boot did not come to sync it
        return lost

    def _repair(self, level: str, record: LayerRecord, records: dict[str, LayerRecord]) -> bool:
        """Whether a doubtful layer is whole, if need be after unpacking its blob again."""
        tree = self.path(level)
        try:
            if "blob" not in record:
                return tree.is_dir() and self._measure(tree).diff_id == record["diff_id"]
            if not self._blobs.has(record["blob"]):
                return False
            below = []
            parent = record["parent"]
            while parent:
                below.append(self.path(parent))
                parent = records[parent]["parent"]
            with self._making() as directory, self._blobs.open(record["blob"]) as file:
                unpack(decompress(chunks(file)), directory / "fs", layer=True, parents=below, limits=self._limits)
                target = self._layout.layer(level)
                if target.exists():
                    self.delete_tree(target)
                os.rename(directory, target)
        except (OSError, EngineError):
            return False
        return True


def _parents_first(records: dict[str, LayerRecord]) -> list[str]:
    depth: dict[str, int] = {"": 0}

    def measure(level: str) -> int:
        path = []
        while level not in depth:
            path.append(level)
            level = records[level]["parent"] if level in records else ""
        for item in reversed(path):
            depth[item] = depth[level] + 1
            level = item
        return depth[level]

    return sorted(records, key=measure)


def _leave_out(root: Path, names: Sequence[str]) -> None:
    """Take an empty regular file away, where there is one at this path; nothing else, and no link is followed."""
    with ExitStack() as stack:
        parent = entries.open_root(root)
        stack.callback(os.close, parent)
        try:
            for name in names[:-1]:
                parent = entries.open_directory(parent, name)
                stack.callback(os.close, parent)
            status = os.stat(names[-1], dir_fd=parent, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return
        if stat.S_ISREG(status.st_mode) and not status.st_size:
            os.unlink(names[-1], dir_fd=parent)
