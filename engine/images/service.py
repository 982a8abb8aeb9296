"""Images: the one door to image records, layers and blobs, for all of the engine.

Everything is synchronous and may be called from any thread. Work is done by the modules beside this one; this class joins
them, publishes events and adds to the catalogue what brings images in and carries them out.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, BinaryIO

from ..errors import InvalidParameter, NotFound
from ..meters import Operations
from ..timestamps import rfc3339
from . import reference
from .catalogue import Catalogue
from .changes import apply_changes
from .compression import chunks, decompress
from .load import Loader
from .pack import pack
from .progress import Reporter
from .save import save
from .types import Image, Platform

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ..layout import Layout
    from ..store import Store
    from ..trash import Trash
    from .abort import Abort
    from .bodies import Distribution, ImageConfig, ProgressMessage, SearchResult
    from .registry.endpoints import RegistryConfig
    from .registry.served import Served
    from .registry.session import Registries, Session
    from .tarstream import Limits
    from .types import Auth, RootRunner

    Publish = Callable[[str, str, str, Mapping[str, str]], None]
    Progress = Callable[[ProgressMessage], None]


class Images(Catalogue):
    def __init__(
        self,
        layout: Layout,
        store: Store,
        publish: Publish,
        *,
        limits: Limits | None = None,
        trash: Trash | None = None,
        registries: RegistryConfig | None = None,
        pulls: Operations | None = None,
    ) -> None:
        super().__init__(layout, store, publish, limits=limits, trash=trash)
        self._registry_config = registries
        self._pulls = pulls or Operations()
        self._opened: Registries | None = None

    @property
    def _registries(self) -> Registries:
        # Imported when first used: HTTP and TLS are half of this package's import time, and most engines never pull.
        from .registry.endpoints import RegistryConfig
        from .registry.session import Registries

        with self._lock:
            if self._opened is None:
                self._opened = Registries(self._blobs, self._registry_config or RegistryConfig(), os.environ)
            return self._opened

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
        for image, _ in images:
            self._publish("image", "save", image.id, {"name": image.id})

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
        self, stream: BinaryIO, progress: Progress | None = None, platform: Platform | None = None
    ) -> builtins.list[Image]:
        """Either format, any compression, from a stream; the images for ``platform``, else the host's."""
        reporter = Reporter(progress)
        images: builtins.list[Image] = []
        with self.lease():
            loader = Loader(self._blobs, self._layers, platform or Platform.host(), reporter)
            for loaded in loader.load(stream, self._limits):
                image = self._add(loaded.config, loaded.layers)
                for name in loaded.names:
                    ref = reference.parse(name)
                    self._records.tag(image.id, ref)
                    reporter({"stream": f"Loaded image: {ref.familiar}\n"})
                    self._publish("image", "load", image.id, {"name": image.id})
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
                self._records.tag(image.id, ref._replace(digest=pulled.digest))
        fresh = "Downloaded newer image for" if before != image.id else "Image is up to date for"
        reporter({"status": f"Digest: {pulled.digest}"})
        reporter({"status": f"Status: {fresh} {ref.familiar}"})
        self._publish("image", "pull", ref.familiar, {"name": ref.familiar_name})
        return self.resolve(image.id)

    def push(self, ref: str, *, auth: Auth | None = None, progress: Progress | None = None) -> str:
        """Push a tag, under the name it has here. Returns the digest of the pushed manifest.

        Without ``auth`` the user's own ~/.docker/config.json is asked.
        """
        parsed = reference.parse(ref).with_default_tag
        if parsed.digest:
            raise InvalidParameter("cannot push a digest reference")
        id = self._records.named(parsed)
        reporter = Reporter(progress)
        reporter({"status": f"The push refers to repository [{parsed.name}]"})
        if not id:
            raise NotFound(f"An image does not exist locally with the tag: {parsed.familiar_name}")
        image = self.resolve(id)
        record = self._records.record(id)
        opened = self._registries.session(parsed.domain, auth, tell=reporter.status)
        with opened as session, self.hold(image.layers), self.lease():
            pushed = session.push(
                parsed, image, record.get("manifest", "") if record else "", self._blobs, self._layers, reporter
            )
        self._records.tag(id, parsed._replace(tag="", digest=pushed.digest))
        reporter({"status": f"{parsed.tag}: digest: {pushed.digest} size: {pushed.size}"})
        reporter({"progressDetail": {}, "aux": {"Tag": parsed.tag, "Digest": pushed.digest, "Size": pushed.size}})
        self._publish("image", "push", parsed.familiar, {"name": parsed.familiar_name})
        return pushed.digest

    def serve(self, ref: str) -> Served:
        """The image with tag ``ref``, ready to be pulled from here. Raises NotFound."""
        from .registry.served import serve

        parsed = reference.parse(ref).with_default_tag
        id = self._records.named(parsed)
        if not id:
            raise NotFound(f"An image does not exist locally with the tag: {parsed.familiar_name}")
        image = self.resolve(id)
        record = self._records.record(id)
        with self.hold(image.layers), self.lease():
            return serve(image, record.get("manifest", "") if record else "", self._blobs, self._layers, Reporter(None))

    def open_blob(self, digest: str) -> BinaryIO:
        """Raises NotFound."""
        return self._blobs.open(digest)

    def distribution(self, ref: str, *, auth: Auth | None = None) -> Distribution:
        """Docker's DistributionInspect: what a reference stands for at its registry, without pulling it."""
        parsed = reference.parse(ref).with_default_tag
        with self._registries.session(parsed.domain, auth) as session:
            return session.distribution(parsed)

    def push_all(self, repository: str, *, auth: Auth | None = None, progress: Progress | None = None) -> None:
        """Push every tag that a repository has here, as `docker push --all-tags`. Raises NotFound when it has none."""
        name = reference.parse(repository).familiar_name
        tags = sorted(tag for image in self._records.all() for tag in image.repo_tags if tag.rpartition(":")[0] == name)
        if not tags:
            raise NotFound(f"An image does not exist locally with the tag: {name}")
        for tag in tags:
            self.push(tag, auth=auth, progress=progress)

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
        from .bootstrap.base import build
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
                directory / "fs",
                directory / "work",
                directory / "empty",
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
