"""Images: the one door to image records, layers and blobs.

Everything is synchronous and may be called from any thread. Work is done by the modules beside this one; this class
only joins them with the store and publishes events.
"""

from __future__ import annotations

import dataclasses
import json
import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import InvalidParameter, NotFound
from ..linux import libc
from . import reference, shapes
from .blobs import Blobs
from .changes import apply_changes
from .compression import chunks, decompress
from .durability import Durability
from .layers import KIND as LAYER
from .layers import Layers, chain
from .load import Loader
from .pack import pack
from .progress import Reporter
from .records import IMAGE, Records
from .removal import untag
from .save import save
from .types import Image, Platform
from .views import Views

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ..layout import Layout
    from ..store import Store
    from .registry.endpoints import RegistryConfig
    from .registry.session import Registries, Session
    from .tarstream import Limits
    from .types import Auth, ImageUser, Layer, RootRunner

    Publish = Callable[[str, str, str, Mapping[str, str]], None]
    Progress = Callable[[dict[str, Any]], None]


class Images:
    def __init__(
        self,
        layout: Layout,
        store: Store,
        publish: Publish,
        *,
        limits: Limits | None = None,
        registries: RegistryConfig | None = None,
    ) -> None:
        self._layout = layout
        self._store = store
        self._publish = publish
        self._limits = limits
        self._lock = threading.RLock()  # over changes of names and removals; making layers needs no lock
        self._durability = Durability(layout.state / "unsynced", self._sync)
        self._blobs = Blobs(layout)
        self._layers = Layers(layout, store, self._blobs, self._durability, limits)
        self._records = Records(store, self._blobs, self._layers)
        self._views = Views(layout.mounts)
        self._registry_config = registries
        self._opened: Registries | None = None
        self._sources: list[Callable[[], Iterable[str]]] = []

    @property
    def _registries(self) -> Registries:
        # Imported when first used: HTTP and TLS are half of this package's import time, and most engines never pull.
        from .registry.endpoints import RegistryConfig
        from .registry.session import Registries

        with self._lock:
            if self._opened is None:
                self._opened = Registries(self._blobs, self._registry_config or RegistryConfig(), os.environ)
            return self._opened

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
        damaged = set(self._blobs.verify_since(since)) if since is not None else set()
        lost = self._layers.recover(since is not None)
        for id, record in self._store.all(IMAGE).items():
            if id in damaged or not self._blobs.has(id) or lost.intersection(record["layers"]):
                self._records.delete(id)
        if since is not None:
            self._durability.clear()
        partial = ".partial"  # downloads that can go on where they stopped
        for entry in list(os.scandir(self._layout.ingest)):
            if entry.name.endswith(partial):
                continue
            if entry.is_dir(follow_symlinks=False):
                self._layers.delete_tree(entry.path)
            else:
                os.unlink(entry.path)
        self._drop_unused_blobs()

    def _drop_unused_blobs(self) -> int:
        return self._blobs.collect(self._used_blobs)

    def _used_blobs(self) -> set[str]:
        used: set[str] = set()
        for id, record in self._store.all(IMAGE).items():
            used.add(id)
            used.update(record.get("blobs", ()))
        used.update(record["blob"] for record in self._store.all(LAYER).values() if "blob" in record)
        return used

    def close(self) -> None:
        """Wait for background flushing; call at engine exit."""
        self._durability.close()

    def protect(self, source: Callable[[], Iterable[str]]) -> None:
        """Register a source of chain IDs that are in use besides images (the build cache): never collected."""
        self._sources.append(source)

    # look-up -------------------------------------------------------------------------------------------------------
    def resolve(self, ref: str) -> Image:
        """By name[:tag], name@digest, image ID or unique ID prefix; NotFound "No such image: REF"."""
        id, _ = self._records.resolve(ref)
        image = self._records.get(id)
        if image is None:
            raise NotFound(f"No such image: {ref}")
        return image

    def list(self, filters: Mapping[str, Sequence[str]] | None = None) -> list[Image]:
        """Newest first. Filters as Docker's: reference, dangling, label, before, since, until."""
        found = self._records.all()
        found.sort(key=lambda image: (-shapes.timestamp(image.created), image.id))
        return shapes.selected(found, filters, self.resolve) if filters else found

    def inspect(self, image: Image) -> dict[str, Any]:
        """Docker's ImageInspect."""
        record = self._records.record(image.id) or {}
        return shapes.inspect(image, self.layer_paths(image), record.get("tagged", 0.0))

    def summary(self, image: Image) -> dict[str, Any]:
        """Docker's ImageSummary, as GET /images/json lists (Containers is -1)."""
        return shapes.summary(image)

    def history(self, image: Image) -> builtins.list[dict[str, Any]]:
        """Docker's history entries, newest first."""
        return shapes.history(image)

    def layer_path(self, layer: Layer) -> Path:
        return self._layers.path(layer.chain_id)

    def layer_paths(self, image: Image) -> tuple[Path, ...]:
        """Top-most first: the lowerdirs of an overlay."""
        return tuple(self._layers.path(layer.chain_id) for layer in reversed(image.layers))

    # change --------------------------------------------------------------------------------------------------------
    def tag(self, image_id: str, ref: str) -> None:
        """Point a name (``:latest`` when it has no tag) at an image; publishes ``tag``."""
        parsed = reference.parse(ref)
        if parsed.digest:
            raise InvalidParameter("refusing to create a tag with a digest reference")
        parsed = parsed.with_default_tag
        with self._lock:
            id, _ = self._records.resolve(image_id)
            self._records.tag(id, parsed)
        self._publish("image", "tag", id, {"name": parsed.familiar})

    def remove(
        self, ref: str, *, force: bool = False, prune: bool = True, in_use: Callable[[str], Sequence[ImageUser]]
    ) -> builtins.list[dict[str, str]]:
        """Untag, or delete with all tags; returns [{"Untagged": …}, {"Deleted": …}]; Conflict in Docker's words."""
        with self._lock:
            image, names, delete = untag(self._records, ref, force=force, in_use=in_use)
            removed = [{"Untagged": name} for name in names]
            layers = self._delete(image) if delete else []
        for name in names:
            self._publish("image", "untag", image.id, {"name": name})
        if delete:
            self._publish("image", "delete", image.id, {"name": image.id})
            removed.append({"Deleted": image.id})
            removed += [{"Deleted": layer.chain_id} for layer in reversed(layers)]
        return removed

    def _delete(self, image: Image) -> builtins.list[Layer]:
        """Drop the record, and the blobs and layers that nothing else needs."""
        self._records.delete(image.id)
        removed = self._layers.collect(self._used(), [layer.chain_id for layer in image.layers])
        self._drop_unused_blobs()
        return [layer for layer, _ in removed]

    def _used(self) -> builtins.list[str]:
        used = [level for record in self._store.all(IMAGE).values() for level in record["layers"][-1:]]
        for source in self._sources:
            used.extend(source())
        return used

    def prune(
        self,
        *,
        all: bool = False,
        filters: Mapping[str, Sequence[str]] | None = None,
        in_use: Callable[[str], Sequence[ImageUser]],
    ) -> tuple[builtins.list[dict[str, str]], int]:
        """Remove dangling (or all unused) images; (removed, bytes reclaimed)."""
        rest = dict(filters or {})
        everything = all or any(value.lower() in ("0", "false", "f") for value in rest.pop("dangling", ()))
        deleted: builtins.list[dict[str, str]] = []
        with self._lock:
            before = {level: record["size"] for level, record in self._store.all(LAYER).items()}
            candidates = shapes.selected(self._records.all(), rest, self.resolve)
            doomed = [image for image in candidates if (everything or not image.repo_tags) and not in_use(image.id)]
            for image in doomed:
                deleted += [{"Untagged": name} for name in (*image.repo_tags, *image.repo_digests)]
                self._records.delete(image.id)
                deleted.append({"Deleted": image.id})
            gone = self._layers.collect(self._used())
            deleted += [{"Deleted": layer.chain_id} for layer, _ in gone]
            reclaimed = sum(before.get(layer.chain_id, 0) for layer, _ in gone) + self._drop_unused_blobs()
        for image in doomed:
            self._publish("image", "delete", image.id, {"name": image.id})
        self._publish("image", "prune", "", {"reclaimed": str(reclaimed)})
        return deleted, reclaimed

    def collect(self) -> int:
        """Delete layers and blobs that no image and no protecting source needs; bytes reclaimed."""
        with self._lock:
            gone = self._layers.collect(self._used())
            return sum(layer.size for layer, _ in gone) + self._drop_unused_blobs()

    def commit_layer(
        self, tree: Path, parents: Sequence[Layer], *, move: bool = True, clamp: int | None = None
    ) -> Layer:
        """A directory in overlay-upper form becomes a layer atop ``parents`` (bottom first).

        ``move=True`` takes the directory away (same filesystem: a rename), ``move=False`` copies (docker commit).
        Times of files above ``clamp`` (SOURCE_DATE_EPOCH, seconds) count, and are stored, as ``clamp``.
        """
        if move:
            return self._layers.adopt(tree, parents, clamp=clamp)
        return self._layers.copy(tree, parents, clamp=clamp)

    def apply_layer(self, stream: BinaryIO, parents: Sequence[Layer]) -> Layer:
        """A layer tar (any compression) becomes a layer atop ``parents``."""
        return self._layers.apply(decompress(chunks(stream)), parents)

    def add(self, config: Mapping[str, Any], layers: Sequence[Layer], *, parent: str = "") -> Image:
        """Store an image configuration over these layers (rootfs.diff_ids is filled in here)."""
        document = dict(config)
        document.setdefault("os", "linux")
        document.setdefault("architecture", Platform.host().architecture)
        document["rootfs"] = {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]}
        return self._add(json.dumps(document, separators=(",", ":")).encode(), layers, parent=parent)

    def _add(self, document: bytes, layers: Sequence[Layer], **record: Any) -> Image:
        """Store a configuration, byte by byte as given, and its record."""
        levels = chain(layer.diff_id for layer in layers)
        with self._lock, self._durability.writing():
            for level in levels:
                if self._layers.get(level) is None:
                    raise NotFound(f"layer {level} is not in the store")
            id = self._blobs.add(document)  # safe: removals take the same lock
            known = self._records.record(id) or {}
            self._records.put(id, {**known, "layers": levels, **{k: v for k, v in record.items() if v}})
            image = self._records.get(id)
        assert image is not None
        return image

    def import_rootfs(
        self,
        stream: BinaryIO,
        *,
        ref: str = "",
        changes: Sequence[str] = (),
        message: str = "",
        platform: Platform | None = None,
    ) -> Image:
        """docker import: a root filesystem tar (any compression) becomes a one-layer image."""
        target = reference.parse(ref).with_default_tag if ref else None
        process = apply_changes({}, changes)
        chosen = platform or Platform.host()
        with self.lease():
            layer = self._layers.apply(decompress(chunks(stream)), ())
            created = shapes.now()
            config: dict[str, Any] = {
                "created": created,
                "architecture": chosen.architecture,
                "os": chosen.os,
                "config": process,
                "history": [{"created": created, "comment": message or "Imported from -"}],
            }
            if chosen.variant:
                config["variant"] = chosen.variant
            image = self.add(config, [layer])
        if target is not None:
            self.tag(image.id, target.familiar)
        self._publish("image", "import", image.id, {"name": ref or image.id})
        return self.resolve(image.id)

    def mounted(
        self, lower: Sequence[Path], upper: Path | None = None, work: Path | None = None
    ) -> AbstractContextManager[Path]:
        """A temporary merged view under layout.mounts; ``lower`` top-most first; read-only without ``upper``."""
        return self._views.mounted(lower, upper, work)

    def hold(self, layers: Sequence[Layer]) -> AbstractContextManager[None]:
        """Protect layers from remove and prune while something is being made from them."""
        return self._layers.hold([layer.chain_id for layer in layers])

    @contextmanager
    def lease(self) -> Iterator[None]:
        """While inside, layers and blobs made meanwhile are safe from remove and prune: for builds, pulls, loads."""
        with self._blobs.lease(), self._layers.lease(), self._durability.writing():
            yield

    # carry ---------------------------------------------------------------------------------------------------------
    def export(self, lower: Sequence[Path], upper: Path | None, out: BinaryIO) -> None:
        """docker export: the merged view as one tar."""
        with self._views.mounted(lower, upper) as tree:
            pack(tree, out.write, layer=False)

    def save(self, refs: Sequence[str], out: BinaryIO, *, format: str = "docker-archive") -> None:
        """Formats: docker-archive (with an OCI layout inside, as docker save ≥ 25 writes), oci-archive."""
        chosen: dict[str, builtins.list[str]] = {}
        for text in refs:
            for id, name in self._selected(text):
                names = chosen.setdefault(id, [])
                if name and name not in names:
                    names.append(name)
        images = [(self.resolve(id), names) for id, names in chosen.items()]
        with self.hold([layer for image, _ in images for layer in image.layers]):
            save(images, out.write, format, self._blobs, self._layers)

    def _selected(self, text: str) -> builtins.list[tuple[str, str]]:
        """What a name means for save: a repository without a tag stands for all its tags."""
        id, found = self._records.resolve(text) if not _is_repository(text) else ("", None)
        if id:
            return [(id, found.familiar if found is not None and found.tag and not found.digest else "")]
        name = reference.parse(text).familiar_name
        tags = [
            (image.id, tag)
            for image in self._records.all()
            for tag in image.repo_tags
            if tag.rpartition(":")[0] == name
        ]
        if not tags:
            id, _ = self._records.resolve(text)
            return [(id, "")]
        return tags

    def load(self, stream: BinaryIO, progress: Progress | None = None) -> builtins.list[Image]:
        """Either format, any compression, from a stream."""
        reporter = Reporter(progress)
        images: builtins.list[Image] = []
        with self.lease():
            loader = Loader(self._blobs, self._layers, Platform.host(), reporter)
            for loaded in loader.load(stream, self._limits):
                image = self._add(loaded.config, loaded.layers)
                for name in loaded.names:
                    ref = reference.parse(name)
                    self._records.tag(image.id, ref)
                    reporter({"stream": f"Loaded image: {ref.familiar}\n"})
                    self._publish("image", "load", image.id, {"name": ref.familiar})
                if not loaded.names:
                    reporter({"stream": f"Loaded image ID: {image.id}\n"})
                    self._publish("image", "load", image.id, {"name": image.id})
                images.append(self.resolve(image.id))
        return images

    def pull(
        self,
        ref: str,
        *,
        auth: Auth | None = None,
        platform: Platform | None = None,
        progress: Progress | None = None,
        all_tags: bool = False,
    ) -> Image:
        """Pull by tag or digest (``:latest`` by default); ``all_tags`` pulls every tag of the repository.

        Without ``auth`` the user's own ~/.docker/config.json is asked. Returns the (last) image.
        """
        parsed = reference.parse(ref)
        reporter = Reporter(progress)
        with self._registries.session(parsed.domain, auth) as registries:
            if all_tags:
                image: Image | None = None
                for tag in registries.tags(parsed):
                    image = self._pull(registries, dataclasses.replace(parsed, tag=tag), platform, reporter)
                if image is None:
                    raise NotFound(f"{parsed.familiar_name} has no tags")
                return image
            return self._pull(registries, parsed.with_default_tag, platform, reporter)

    def _pull(self, session: Session, ref: reference.Reference, platform: Platform | None, reporter: Reporter) -> Image:
        reporter({"status": f"Pulling from {ref.path}", "id": ref.version})
        before = self._records.named(ref)
        with self.lease():
            pulled = session.pull(ref, platform or Platform.host(), self._blobs, self._layers, reporter)
            image = self._add(pulled.config, pulled.layers, manifest=pulled.manifest, blobs=list(pulled.blobs))
            with self._lock:
                self._records.tag(image.id, dataclasses.replace(ref, digest=pulled.digest))
        fresh = "Downloaded newer image for" if before != image.id else "Image is up to date for"
        reporter({"status": f"Digest: {pulled.digest}"})
        reporter({"status": f"Status: {fresh} {ref.familiar}"})
        self._publish("image", "pull", ref.familiar, {"name": ref.familiar_name})
        return self.resolve(image.id)

    def push(self, ref: str, *, auth: Auth | None = None, progress: Progress | None = None) -> str:
        """Returns the digest of the pushed manifest."""
        """Push a tag, under the name it has here. Returns the digest of the pushed manifest.

        Without ``auth`` the user's own ~/.docker/config.json is asked.
        """
        parsed = reference.parse(ref).with_default_tag
        if parsed.digest:
            raise InvalidParameter("cannot push a digest reference")
        id = self._records.named(parsed)
        if not id:
            raise NotFound(f"An image does not exist locally with the tag: {parsed.familiar_name}")
        image = self.resolve(id)
        record = self._records.record(id) or {}
        reporter = Reporter(progress)
        reporter({"status": f"The push refers to repository [{parsed.name}]"})
        with self._registries.session(parsed.domain, auth) as session, self.hold(image.layers), self.lease():
            pushed = session.push(parsed, image, record.get("manifest", ""), self._blobs, self._layers, reporter)
        self._records.tag(id, dataclasses.replace(parsed, tag="", digest=pushed.digest))
        reporter({"status": f"{parsed.tag}: digest: {pushed.digest} size: {pushed.size}"})
        reporter({"progressDetail": {}, "aux": {"Tag": parsed.tag, "Digest": pushed.digest, "Size": pushed.size}})
        self._publish("image", "push", parsed.familiar, {"name": parsed.familiar_name})
        return pushed.digest

    def login(self, auth: Auth, server: str = "") -> str:
        """Check credentials against a registry; returns an identity token or ""; Unauthorized when refused."""
        with self._registries.session(server or reference.DEFAULT_DOMAIN, auth) as session:
            return session.login()

    def bootstrap(
        self,
        ref: str,
        *,
        runner: RootRunner,
        progress: Progress | None = None,
        mirror: str | None = None,
        platform: Platform | None = None,
        allow_expired: bool = False,
    ) -> Image:
        """Build a Debian or Ubuntu base image from the distribution's signed archive and tag it ``ref``.

        ``mirror`` (else PYCOMPOSE_DEBIAN_MIRROR, PYCOMPOSE_UBUNTU_MIRROR) replaces the main archive. An archive past its
        Valid-Until is refused unless ``allow_expired``; its signature is always checked.
        """
        from .bootstrap.archive import Archive  # as seldom used, and as heavy, as registries
        from .bootstrap.base import build
        from .bootstrap.labels import bootstrap_config
        from .bootstrap.suites import distribution
        from .transport import Transport

        parsed = reference.parse(ref).with_default_tag
        chosen = platform or Platform.host()
        target = distribution(parsed, chosen.architecture, mirror, os.environ)
        reporter = Reporter(progress)
        transport = Transport()
        directory = self._layout.ingest / f"{os.urandom(12).hex()}.tree"
        for name in ("fs", "work", "empty"):
            (directory / name).mkdir(parents=True)
            (directory / name).chmod(0o755)
        try:
            archive = Archive(
                transport, self._layout.cache / "bootstrap", target.keyring, time.time, allow_expired=allow_expired
            )
            base = build(
                target,
                chosen.architecture,
                archive,
                directory / "fs",
                directory / "work",
                directory / "empty",
                runner,
                reporter,
            )
            with self.lease():
                layer = self._layers.adopt(directory / "fs", ())
                image = self.add(bootstrap_config(target, base, chosen), [layer])
                self.tag(image.id, parsed.familiar)
        finally:
            transport.close()
            self._layers.delete_tree(directory)
        reporter.status(f"Status: Built {parsed.familiar} from the archive of {target.name}")
        return self.resolve(image.id)


def _is_repository(text: str) -> bool:
    """A name without tag, digest or the look of an ID."""
    if reference.id_prefix(text) is not None:
        return False
    ref = reference.parse(text)
    return not ref.tag and not ref.digest
