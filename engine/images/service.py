"""Images: the one door to image records, layers and blobs, for all of the engine.

Everything is synchronous and may be called from any thread. Work is done by the modules beside this one; this class joins
them, publishes events and adds to the catalogue what brings images in and carries them out.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from ..errors import NotFound
from ..timestamps import rfc3339
from . import reference
from .changes import apply_changes
from .compression import chunks, decompress
from .load import LoadedIndex, Loader
from .outgoing import Outgoing
from .pack import pack
from .pipeline import Produced
from .progress import Reporter
from .save import Saved, save
from .types import Image, Platform
from .unpack import unpack

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from .abort import Abort
    from .bodies import Distribution, ImageConfig, ProgressMessage, SearchResult
    from .registry.artifacts import Artifacts
    from .registry.session import Session
    from .types import Auth, RootRunner

    Publish = Callable[[str, str, str, Mapping[str, str]], None]
    Write = Callable[[bytes | bytearray], object]
    Progress = Callable[[ProgressMessage], None]


class Images(Outgoing):
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
            created = rfc3339(time.time_ns())
            config: ImageConfig = {
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
        self._publish("image", "import", image.id, {"name": image.id})
        return self.resolve(image.id)

    # carry ---------------------------------------------------------------------------------------------------------
    def export(self, lower: Sequence[Path], upper: Path | None, out: BinaryIO) -> None:
        """docker export: the merged view as one tar."""
        with self._views.mounted(lower, upper) as tree:
            pack(tree, out.write, layer=False, top=False)

    @contextmanager
    def joined(self, trees: Mapping[str, Sequence[Path]]) -> Iterator[Path]:
        """The files of several merged views (layers top-most first), each in a directory of its name; one that is called "" is the
        whole."""
        if "" in trees:
            with self._views.mounted(trees[""]) as root:
                yield root
            return
        directory = self._layout.ingest / f"{os.urandom(12).hex()}.tree"
        directory.mkdir(mode=0o755)
        try:
            for name, lower in trees.items():
                (directory / name).mkdir(mode=0o755)
                with self._views.mounted(lower) as root:
                    copied = partial(pack, root, layer=False)
                    with Produced(lambda write, copied=copied: copied(write)) as produced:  # type: ignore[misc]
                        unpack(produced, directory / name, layer=False)
            yield directory
        finally:
            self._layers.delete_tree(directory)

    def export_trees(self, trees: Mapping[str, Sequence[Path]], out: BinaryIO) -> None:
        """The files of ``joined`` as one tar."""
        with self.joined(trees) as root:
            pack(root, out.write, layer=False, top=False)

    def archive(self, id: str, names: Sequence[str], write: Write, format: str) -> None:
        """An image, or the index that it was built with, as an archive under names that it need not have here."""
        image = self.resolve(id)
        with self.hold(image.layers), self.lease():
            index = self._indexes.built_with(id)
            saved = Saved(image, names, index)
            save([saved], write, format, self._blobs, self._layers, self._indexes)

    def save(
        self,
        refs: Sequence[str],
        out: BinaryIO,
        *,
        format: str = "docker-archive",
        platforms: Sequence[Platform] = (),
    ) -> None:
        """Formats: docker-archive (with an OCI layout inside, as docker save ≥ 25 writes), oci-archive.

        A name that stands for an index has all of it that is here saved, and the index as it is; with ``platforms`` the
        images for these alone. Raises NotFound.
        """
        chosen: dict[tuple[str, str], builtins.list[str]] = {}
        for text in refs:
            for id, name in self._selected(text):
                index = self._indexes.named(reference.parse(name)) if name else self._indexes.built_with(id)
                for key in self._wanted(id, name, index, platforms):
                    names = chosen.setdefault(key, [])
                    if name and name not in names:
                        names.append(name)
        images = [Saved(self.resolve(id), names, index) for (id, index), names in chosen.items()]
        with self.hold([layer for saved in images for layer in saved.image.layers]), self.lease():
            save(images, out.write, format, self._blobs, self._layers, self._indexes)
        for saved in images:
            self._publish("image", "save", saved.image.id, {"name": saved.image.id})

    def _wanted(self, id: str, name: str, index: str, platforms: Sequence[Platform]) -> builtins.list[tuple[str, str]]:
        """Images to save for a name, each with the index that is saved with it or ""."""
        if platforms:
            return [(self.resolve(name or id, platform).id, "") for platform in platforms]
        # Where even this platform's blobs are not all here, the image is saved as one made here would be.
        whole = index and self._indexes.complete(self._original(self.resolve(id), index))
        return [(id, index if whole else "")]

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
            try:
                id, _ = self._records.resolve(text)
            except NotFound:
                raise NotFound(f"No such image: {text}") from None
            return [(id, "")]
        return sorted(tags, key=lambda found: found[1])

    def load(
        self, stream: BinaryIO, progress: Progress | None = None, platforms: Sequence[Platform] = ()
    ) -> builtins.list[Image]:
        """Either format, any compression, from a stream; of an index everything that is there, or the images for ``platforms``."""
        reporter = Reporter(progress)
        images: builtins.list[Image] = []
        with self.lease():
            loader = Loader(self._blobs, self._layers, platforms, reporter)
            for loaded in loader.load(stream, self._limits):
                index = ""
                if isinstance(loaded, LoadedIndex):
                    index = loaded.digest
                    image = self._add_index(loaded)
                else:
                    image = self._add(loaded.config, loaded.layers)
                for name in loaded.names:
                    ref = reference.parse(name)
                    self._records.tag(image.id, ref, index)
                    reporter({"stream": f"Loaded image: {ref.familiar}\n"})
                    self._publish("image", "load", image.id, {"name": image.id})
                if not loaded.names:
                    reporter({"stream": f"Loaded image ID: {image.id}\n"})
                    self._publish("image", "load", image.id, {"name": image.id})
                images.append(self.resolve(image.id))
        return images

    def _add_index(self, loaded: LoadedIndex) -> Image:
        """Store an index with the images that came with it; the one that its names mean."""
        images = [
            (one.manifest, self._add(one.config, one.layers, manifest=one.manifest, blobs=list(one.blobs)))
            for one in loaded.images
        ]
        self._indexes.put(loaded.digest, {manifest: image.id for manifest, image in images}, loaded.blobs)
        return images[0][1]

    def pull(
        self,
        ref: str,
        *,
        auth: Auth | None = None,
        platform: Platform | None = None,
        progress: Progress | None = None,
        all_tags: bool = False,
        cancel: Abort | None = None,
    ) -> Image:
        """Pull by tag or digest (``:latest`` by default); ``all_tags`` pulls every tag of the repository.

        Without ``auth`` the user's own ~/.docker/config.json is asked. Setting ``cancel`` ends it at once, and whoever wants the
        same goes on where it was. Returns the (last) image.
        """
        parsed = reference.parse(ref)
        reporter = Reporter(progress)
        with (
            self._pulls.measured(),
            self._registries.session(parsed.domain, auth, tell=reporter.status, cancel=cancel) as registries,
        ):
            if all_tags:
                image: Image | None = None
                for tag in registries.tags(parsed):
                    image = self._pull(registries, parsed._replace(tag=tag), platform, reporter)
                if image is None:
                    raise NotFound(f"{parsed.familiar_name} has no tags")
                return image
            return self._pull(registries, parsed.with_default_tag, platform, reporter)

    def _pull(self, session: Session, ref: reference.Reference, platform: Platform | None, reporter: Reporter) -> Image:
        before = self._records.named(ref)
        with self.lease():
            pulled = session.pull(ref, platform or Platform.host(), self._blobs, self._layers, reporter)
            image = self._add(pulled.config, pulled.layers, manifest=pulled.manifest, blobs=list(pulled.blobs))
            with self._lock:
                self.contents.note_pull(image.id, ref.familiar_name)
                if pulled.index:
                    self._indexes.put(pulled.digest, {pulled.manifest: image.id}, pulled.blobs, ref.name)
                self._records.tag(image.id, ref._replace(digest=pulled.digest), pulled.digest if pulled.index else "")
        fresh = "Downloaded newer image for" if before != image.id else "Image is up to date for"
        reporter({"status": f"Digest: {pulled.digest}"})
        reporter({"status": f"Status: {fresh} {ref.familiar}"})
        self._publish("image", "pull", ref.familiar, {"name": ref.familiar_name})
        return self.resolve(image.id)

    def open_blob(self, digest: str) -> BinaryIO:
        """Raises NotFound."""
        return self._blobs.open(digest)

    def distribution(self, ref: str, *, auth: Auth | None = None) -> Distribution:
        """Docker's DistributionInspect: what a reference stands for at its registry, without pulling it."""
        parsed = reference.parse(ref).with_default_tag
        with self._registries.session(parsed.domain, auth) as session:
            return session.distribution(parsed)

    @contextmanager
    def artifacts(self, ref: str, *, auth: Auth | None, report: Reporter) -> Iterator[Artifacts]:
        """What is no image, under ``ref`` at its registry. Without ``auth`` the user's own configuration is asked."""
        parsed = reference.parse(ref).with_default_tag
        with self._registries.session(parsed.domain, auth, tell=report.status) as session:
            yield session.artifacts(parsed)

    def login(self, auth: Auth, server: str = "") -> str:
        """Check credentials against a registry; returns an identity token or ""; Unauthorized when refused."""
        with self._registries.session(server or reference.DEFAULT_DOMAIN, auth) as session:
            return session.login()

    def search(self, term: str, *, limit: int = 25, auth: Auth | None = None) -> builtins.list[SearchResult]:
        """Docker's search: ``term`` on Docker Hub, or ``registry.example/term`` on another registry."""
        first, slash, rest = term.partition("/")
        elsewhere = bool(slash) and ("." in first or ":" in first or first == "localhost")
        with self._registries.session(first if elsewhere else "", auth, search=True) as session:
            return session.search(rest if elsewhere else term, limit)

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
        Valid-Until, or older than one that was seen before, is refused unless ``allow_expired``; its signature is always
        checked.
        """
        from .bootstrap.archive import Archive  # as seldom used, and as heavy, as registries
        from .bootstrap.base import Places, build
        from .bootstrap.freshness import NewestDates
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
                transport,
                self._layout.cache / "bootstrap",
                target.keyring,
                time.time,
                NewestDates(self._store),
                allow_expired=allow_expired,
            )
            base = build(
                target,
                chosen.architecture,
                archive,
                Places(directory / "fs", directory / "work", directory / "empty"),
                runner,
                reporter,
            )
            for release in base.releases:
                place = f"{release.source.mirror} {release.source.suite}"
                reporter.status(f"Trusted: {place} of {release.date:%Y-%m-%d %H:%M}, signed by {release.fingerprint}")
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
