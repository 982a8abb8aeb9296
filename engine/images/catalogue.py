"""The catalogue of images: look-up, names, removal, layers and merged views; everything that stays on this machine.

Synchronous; every method may be called from any thread. service.py adds what goes in and out.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from ..errors import NotFound
from ..linux import libc
from . import reference, shapes
from .blobs import Blobs
from .compression import chunks, decompress
from .contents import Contents
from .durability import Durability
from .indexes import Indexes
from .layers import Layers, chain
from .manifest import IN_TOTO, PREDICATE_TYPE, Descriptor
from .records import Records
from .types import Image, Platform, platform_of
from .views import Views

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import Unpack

    from ..layout import Layout
    from ..store import Store
    from ..trash import Trash
    from .bodies import (
        Attestation,
        HistoryEntry,
        ImageConfig,
        ImageInspect,
        ImageRecord,
        ImageRecordChanges,
        ImageSummary,
        ProgressMessage,
    )
    from .tarstream import Limits
    from .types import Layer

    Publish = Callable[[str, str, str, Mapping[str, str]], None]
    Progress = Callable[[ProgressMessage], None]
    Users = Callable[[str], Sequence[str]]


class Catalogue:
    def __init__(
        self,
        layout: Layout,
        store: Store,
        publish: Publish,
        *,
        limits: Limits | None = None,
        trash: Trash | None = None,
    ) -> None:
        self._layout = layout
        self._store = store
        self._publish = publish
        self._limits = limits
        self._trash = trash
        self._lock = threading.RLock()  # over changes of names and removals; making layers needs no lock
        self._durability = Durability(layout.state / "unsynced", self._sync)
        self._blobs = Blobs(layout)
        self._layers = Layers(layout, store, self._blobs, self._durability, limits, trash)
        self._records = Records(store, self._blobs, self._layers)
        self._indexes = Indexes(store, self._blobs)
        self.contents = Contents(self._blobs, self._records, self._indexes)
        self._views = Views(layout.mounts)
        self._sources: list[Callable[[], Iterable[str]]] = []

    def _sync(self) -> None:
        descriptor = os.open(self._layout.state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            libc.check(libc.syncfs(descriptor), "syncfs", self._layout.state)
        finally:
            os.close(descriptor)

    def recover(self) -> None:
        """Drop what a crash left half done. Call once at engine start, before anything else."""
        self._views.recover()
        since = self._durability.lost_since()
        if since is None:
            self._recover(None)
            if self._durability.pending:
                with self._durability.writing():
                    pass  # has it synced
            return
        with self._durability.writing():  # keeps the marker until all that it stands for has been checked
            self._recover(since)
            self._durability.renew()

    def _recover(self, since: float | None) -> None:
        damaged = set(self._blobs.verify_since(since)) if since is not None else set()
        lost = self._layers.recover(since is not None)
        for id, record in self._records.records().items():
            if id in damaged or not self._blobs.has(id) or lost.intersection(record["layers"]):
                self._records.delete(id)
        for digest in self._indexes.records():
            if digest in damaged or not self._blobs.has(digest):
                self._indexes.forget(digest)
        partial = ".partial"  # downloads that can go on where they stopped
        for entry in list(os.scandir(self._layout.ingest)):
            if entry.name.endswith(partial):
                continue
            if entry.is_dir(follow_symlinks=False):
                self._layers.discard([Path(entry.path)])
            else:
                os.unlink(entry.path)
        self._drop_unused_blobs()

    def _drop_unused_blobs(self, *, compressed: bool = False) -> int:
        """``compressed``: also those that pushes have kept and can make again."""
        return self._blobs.collect(lambda: self._used_blobs(compressed=not compressed))

    def _used_blobs(self, *, compressed: bool) -> set[str]:
        used: set[str] = set(self._indexes.used_blobs())
        for id, record in self._records.records().items():
            used.add(id)
            used.update(record.get("blobs", ()))
            used.update(one["digest"] for one in record.get("attestations", ()))
        layers = self._layers.records().values()
        used.update(record["blob"] for record in layers if "blob" in record)
        if compressed:
            used.update(record["gzip"]["digest"] for record in layers if "gzip" in record)
        return used

    def close(self) -> None:
        """End background flushing; call at engine exit."""
        self._durability.close()

    def protect(self, source: Callable[[], Iterable[str]]) -> None:
        """Register a source of chain IDs that are in use besides images (the build cache): never collected."""
        self._sources.append(source)

    # look-up -------------------------------------------------------------------------------------------------------
    def resolve(self, ref: str, platform: Platform | None = None) -> Image:
        """By name[:tag], name@digest, image ID or unique ID prefix; NotFound "No such image: REF".

        With ``platform`` the image for it, under the names of what ``ref`` means without; NotFound when there is none here.
        """
        id, found = self._records.resolve(ref)
        image = self._records.get(id)
        if image is None:
            raise NotFound(f"No such image: {ref}")
        if platform is None or platform_of(image) == platform:
            return image
        index = self._index(id, found)
        chosen = self._records.get(self._indexes.choose(index, platform)[0]) if index else None
        if chosen is None:
            raise NotFound(
                f"image with reference {ref} was found but does not provide the specified platform ({platform}): it is for"
                f" {', '.join(self._platforms(index)) or platform_of(image)}"
            )
        return replace(chosen, repo_tags=image.repo_tags, repo_digests=image.repo_digests)

    def _index(self, id: str, ref: reference.Reference | None) -> str:
        """The index that a name stands for, or that an image belongs to; "" for none."""
        return self._indexes.named(ref) if ref is not None else self._indexes.of_image(id)

    def _platforms(self, index: str) -> builtins.list[str]:
        here = self._indexes.images(index) if index else {}
        return [
            str(one.platform) for one in (self._indexes.entries(index) if here else ()) if one.descriptor.digest in here
        ]

    def list(self, filters: Mapping[str, Sequence[str]] | None = None) -> list[Image]:
        """Newest first. Filters as Docker's: reference, dangling, label, before, since, until."""
        found = self._listed()
        found.sort(key=lambda image: (-shapes.timestamp(image.created), image.id))
        return shapes.selected(found, filters, self.resolve) if filters else found

    def _listed(self) -> builtins.list[Image]:
        """All images but those that only stand for a platform of another's name."""
        members = self._indexes.members()
        every = self._records.all()
        return [image for image in every if image.repo_tags or image.repo_digests or image.id not in members]

    def inspect(self, image: Image, *, one: bool = False, users: Users | None = None) -> ImageInspect:
        """Docker's ImageInspect. With ``one`` it is about the image of a platform alone; with ``users``, which tells an image's
        containers, the manifests are told."""
        record: ImageRecord | None = self._records.record(image.id)
        shown = shapes.inspect(image, self.layer_paths(image), record.get("tagged", 0.0) if record else 0.0)
        index = self._indexes.of_image(image.id)
        described = self.contents.of_platform(image.id) if one and index else self.contents.target(image, index)
        if described is not None:
            shown["Descriptor"] = described
            if users is not None:
                shown["Manifests"] = self.contents.manifests(image, index, users)
        identity = self.contents.identity(image.id)
        if identity:
            shown["Identity"] = identity
        return shown

    def indexed(self) -> Mapping[str, str]:
        """The digest of the index that each image belongs to; for ``summary``."""
        return self._indexes.by_image()

    def summary(self, image: Image, indexed: Mapping[str, str], users: Users | None = None) -> ImageSummary:
        """Docker's ImageSummary, as GET /images/json lists (Containers is -1); with ``users`` the manifests are told."""
        shown = shapes.summary(image)
        index = indexed.get(image.id, "")
        described = self.contents.target(image, index)
        if described is not None:
            shown["Descriptor"] = described
        if users is not None:
            shown["Manifests"] = self.contents.manifests(image, index, users)
        return shown

    def history(self, image: Image) -> builtins.list[HistoryEntry]:
        """Docker's history entries, newest first."""
        return shapes.history(image)

    def attestations(
        self, image: Image, types: Sequence[str] = (), *, bodies: bool = False
    ) -> builtins.list[Attestation]:
        """The in-toto statements that are kept of an image: of these predicate types or all, and with ``bodies`` as they are."""
        found = []
        record = self._records.record(image.id)
        kept_here = record.get("attestations", ()) if record else ()
        for one in kept_here or self._indexes.attestations(self._indexes.of_image(image.id), image.id):
            if types and one["predicate"] not in types:
                continue
            kept = Descriptor(IN_TOTO, one["digest"], one["size"])
            annotations = {PREDICATE_TYPE: one["predicate"]}
            entry: Attestation = {
                "Descriptor": {**kept.json(), "annotations": annotations},
                "PredicateType": one["predicate"],
            }
            if bodies:
                entry["Statement"] = json.loads(self._blobs.read(kept.digest))
            found.append(entry)
        return found

    def attach(self, image_id: str, statements: Iterable[tuple[str, bytes]]) -> None:
        """Keep in-toto statements, each with its predicate type, of an image; they replace those of the same types."""
        with self._lock, self._durability.writing():
            record = self._records.record(image_id)
            if record is None:
                raise NotFound(f"No such image: {image_id}")
            kept = {one["predicate"]: one for one in record.get("attestations", ())}
            for predicate, body in statements:
                kept[predicate] = {"predicate": predicate, "digest": self._blobs.add(body), "size": len(body)}
            self._records.put(image_id, {**record, "attestations": list(kept.values())})

    def layer_path(self, layer: Layer) -> Path:
        return self._layers.path(layer.chain_id)

    def layer_paths(self, image: Image) -> tuple[Path, ...]:
        """Top-most first: the lowerdirs of an overlay."""
        return tuple(self._layers.path(layer.chain_id) for layer in reversed(image.layers))

    # change --------------------------------------------------------------------------------------------------------
    def tag(self, image_id: str, ref: str, index: str = "") -> None:
        """Point a name (``:latest`` when it has no tag) at an image, the default one of ``index``; publishes ``tag``."""
        parsed = reference.given(ref)
        with self._lock:
            id, found = self._records.resolve(image_id)
            # A name stands for all platforms of what it is given to; an ID is one platform's image.
            self._records.tag(id, parsed, index or (self._indexes.named(found) if found is not None else ""))
            image = self._records.get(id)
        labels = (image.process.get("Labels") if image else None) or {}
        self._publish("image", "tag", id, {**labels, "name": parsed.familiar})

    def commit_layer(
        self,
        tree: Path,
        parents: Sequence[Layer],
        *,
        move: bool = True,
        clamp: int | None = None,
        without: Sequence[str] = (),
    ) -> Layer:
        """A directory in overlay-upper form becomes a layer atop ``parents`` (bottom first).

        ``move=True`` takes the directory away (same filesystem: a rename), ``move=False`` copies (docker commit), but for
        the empty files at the paths ``without``.
        Times of files above ``clamp`` (SOURCE_DATE_EPOCH, seconds) count, and are stored, as ``clamp``.
        """
        if move:
            return self._layers.adopt(tree, parents, clamp=clamp)
        return self._layers.copy(tree, parents, clamp=clamp, without=without)

    def restack(self, layer: Layer, parents: Sequence[Layer]) -> Layer:
        """The same layer atop others than its own."""
        with self._layers.tar(layer) as tar:
            return self._layers.apply(tar, parents, diff_id=layer.diff_id, blob=self._layers.blob(layer))

    def apply_layer(self, stream: BinaryIO, parents: Sequence[Layer]) -> Layer:
        """A layer tar (any compression) becomes a layer atop ``parents``."""
        return self._layers.apply(decompress(chunks(stream)), parents)

    def add(self, config: ImageConfig, layers: Sequence[Layer], *, parent: str = "") -> Image:
        """Store an image configuration over these layers (rootfs.diff_ids is filled in here)."""
        document = config.copy()
        document.setdefault("os", "linux")
        document.setdefault("architecture", Platform.host().architecture)
        document["rootfs"] = {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]}
        return self._add(json.dumps(document, separators=(",", ":")).encode(), layers, parent=parent)

    def _add(self, document: bytes, layers: Sequence[Layer], **record: Unpack[ImageRecordChanges]) -> Image:
        """Store a configuration, byte by byte as given, and its record."""
        levels = chain(layer.diff_id for layer in layers)
        with self._lock, self._durability.writing():
            for level in levels:
                if self._layers.get(level) is None:
                    raise NotFound(f"layer {level} is not in the store")
            id = self._blobs.add(document)  # safe: removals take the same lock
            known: ImageRecord = self._records.record(id) or {"layers": levels}
            given = cast("ImageRecordChanges", {name: value for name, value in record.items() if value})
            self._records.put(id, {**known, "layers": levels, **given})
            image = self._records.get(id)
        assert image is not None
        return image

    def mounted(
        self, lower: Sequence[Path], upper: Path | None = None, work: Path | None = None
    ) -> AbstractContextManager[Path]:
        """A temporary merged view under layout.mounts; ``lower`` top-most first; read-only without ``upper``."""
        return self._views.mounted(lower, upper, work)

    def bound(self, descriptor: int) -> AbstractContextManager[Path]:
        """What a descriptor refers to, for a while under a path that only the engine can change."""
        return self._views.bound(descriptor)

    def hold(self, layers: Sequence[Layer]) -> AbstractContextManager[None]:
        """Protect layers from remove and prune while something is being made from them."""
        return self._layers.hold([layer.chain_id for layer in layers])

    def confirm(self, image: Image) -> None:
        """Whoever has begun to use an image asks whether a removal came first; one that comes later sees the user. Waits for removals
        that are under way. Raises NotFound."""
        with self._lock:
            levels = [layer.chain_id for layer in image.layers]
            if self._records.get(image.id) is None or any(self._layers.get(level) is None for level in levels):
                raise NotFound(f"No such image: {image.id}")

    @contextmanager
    def lease(self) -> Iterator[None]:
        """While inside, layers and blobs made meanwhile are safe from remove and prune: for builds, pulls, loads."""
        with self._blobs.lease(), self._layers.lease(), self._durability.writing():
            yield
