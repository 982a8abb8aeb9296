"""Pushing, and being pulled from: what a name stands for here goes to a registry as a whole, or one platform of it.

Synchronous; every method may be called from any thread.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import InvalidParameter, NotFound
from ..meters import Operations
from . import reference
from .assembly import assemble, packed
from .contents import instead_of
from .manifest import OCI_MANIFEST, Descriptor
from .progress import Reporter
from .removal import Removals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..layout import Layout
    from ..store import Store
    from ..trash import Trash
    from .assembly import Packed, Part
    from .bodies import DescriptorJson, ImageRecord, ProgressMessage
    from .registry.endpoints import RegistryConfig
    from .registry.push import Pushed
    from .registry.served import Served
    from .registry.session import Origin, Registries, Session
    from .tarstream import Limits
    from .types import Auth, Image, Platform

    Publish = Callable[[str, str, str, Mapping[str, str]], None]
    Progress = Callable[[ProgressMessage], None]


class Outgoing(Removals):
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

    def push(
        self,
        ref: str,
        *,
        auth: Auth | None = None,
        progress: Progress | None = None,
        platform: Platform | None = None,
    ) -> str:
        """Push a tag, under the name it has here: all that it stands for, or the image for ``platform``. Returns the digest of the
        pushed manifest or index.

        Without ``auth`` the user's own ~/.docker/config.json is asked. Where neither this engine nor the repository that an
        index came from has all of it, only the image that is here is pushed, and that is told.
        """
        parsed = reference.parse(ref).with_default_tag
        if parsed.digest:
            raise InvalidParameter("cannot push a digest reference")
        id = self._records.named(parsed)
        reporter = Reporter(progress)
        reporter({"status": f"The push refers to repository [{parsed.name}]"})
        if not id:
            raise NotFound(f"An image does not exist locally with the tag: {parsed.familiar_name}")
        image = self.resolve(parsed.familiar, platform)
        index = self._indexes.named(parsed)
        original = self._original(image, index)
        opened = self._registries.session(parsed.domain, auth, tell=reporter.status)
        with opened as session, self.hold(image.layers), self.lease():
            pushed = None
            if index and platform is None:
                pushed = self._push_whole(session, parsed, index, auth, reporter)
            whole = pushed is not None
            if pushed is None:
                pushed = session.push(parsed, image, original, self._blobs, self._layers, reporter)
                self._blobs.add(pushed.manifest)
                if index and platform is None:
                    described = Descriptor(OCI_MANIFEST, pushed.digest, pushed.size)
                    reporter({"aux": instead_of(self.contents.target(image, index), described)})
        if whole:
            known = self._indexes.record(index)
            if known is not None and not known["origin"]:
                self._indexes.put(index, {}, (), parsed.name)
            self._records.tag(id, parsed._replace(tag="", digest=pushed.digest), index)
        elif not index or platform is None:
            self._records.tag(id, parsed._replace(tag="", digest=pushed.digest))
            self._remember(image.id, pushed)
        reporter({"status": f"{parsed.tag}: digest: {pushed.digest} size: {pushed.size}"})
        reporter({"progressDetail": {}, "aux": {"Tag": parsed.tag, "Digest": pushed.digest, "Size": pushed.size}})
        self._publish("image", "push", parsed.familiar, {"name": parsed.familiar_name})
        return pushed.digest

    def _push_whole(
        self, session: Session, ref: reference.Reference, index: str, auth: Auth | None, reporter: Reporter
    ) -> Pushed | None:
        """None when not all of the index is to be had."""
        from .registry.session import Origin
        from .registry.whole import Missing

        record = self._indexes.record(index)
        source: Origin | None = None
        if record is not None and record["origin"]:
            place = reference.parse(record["origin"])
            known = auth if place.domain == ref.domain else None
            source = Origin(place, self._blobs, lambda: self._registries.session(place.domain, known))
        try:
            return session.push_index(ref, index, self._blobs, reporter, source)
        except Missing as error:
            reporter.status(f"Not all platforms are pushed: {error}")
            return None

    def _original(self, image: Image, index: str) -> str:
        """The digest of the manifest that an image came by, in this index if there is one."""
        here = self._indexes.images(index) if index else {}
        record = self._records.record(image.id)
        known = record.get("manifest", "") if record else ""
        return next((manifest for manifest, id in here.items() if id == image.id), known)

    def _remember(self, id: str, pushed: Pushed) -> None:
        """What an image was pushed as is what its name stands for from now on."""
        with self._lock:
            record = self._records.record(id)
            if record is not None and record.get("manifest") != pushed.digest:
                blobs = sorted({*record.get("blobs", ()), pushed.digest})
                self._records.put(id, {**record, "manifest": pushed.digest, "blobs": blobs})

    def packed(self, id: str, progress: Progress | None = None) -> Packed:
        """The manifest under which an image goes into an index, and to a registry. Call within ``lease``."""
        return packed(self.resolve(id), self._blobs, self._layers, Reporter(progress))

    def bind(self, parts: Sequence[Part], default: str) -> str:
        """Make an index of images built here; ``default`` is the id of the one that its names mean. It lives as long as that one, or
        a name of its own. Returns its digest. Call within ``lease``."""
        made = assemble(parts, self._blobs)
        with self._lock, self._durability.writing():
            self._indexes.put(made.digest, made.images, made.blobs)
            for part in parts:
                id = part.packed.image.id
                record = self._records.record(id)
                if record is None:
                    raise NotFound(f"No such image: {id}")
                changed: ImageRecord = {**record, "manifest": part.packed.manifest.digest}
                if id == default:
                    changed["index"] = made.digest
                self._records.put(id, changed)
        return made.digest

    def ids(self) -> frozenset[str]:
        """Of all images."""
        return frozenset(self._records.records())

    def drop_nameless(self, id: str) -> None:
        """Remove an image that was only made to be carried away, unless it has got a name meanwhile."""
        with self._lock:
            image = self._records.get(id)
            if image is not None and not image.repo_tags and not image.repo_digests:
                self.remove(id, in_use=lambda _: ())

    def described(self, digest: str) -> DescriptorJson | None:
        """The descriptor of a manifest or an index that is here."""
        return self.contents.described(digest).json() if self._blobs.has(digest) else None

    def push_by_digest(self, id: str, ref: str, *, auth: Auth | None = None, progress: Progress | None = None) -> str:
        """Push an image, or the index that it was built with, into a repository without giving it a tag there. Its digest."""
        parsed = reference.parse(ref)
        reporter = Reporter(progress)
        with (
            self._registries.session(parsed.domain, auth, tell=reporter.status) as session,
            self.hold(self.resolve(id).layers),
            self.lease(),
        ):
            if index := self.index_of(id):
                return session.push_index(parsed._replace(tag="", digest=index), index, self._blobs, reporter).digest
            made = self.packed(id)
            bare = parsed._replace(tag="", digest=made.manifest.digest)
            return session.push(bare, made.image, made.manifest.digest, self._blobs, self._layers, reporter).digest

    def index_of(self, id: str) -> str:
        """The digest of the index that an image was built with, or ""."""
        return self._indexes.built_with(id)

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

    def push_all(
        self,
        repository: str,
        *,
        auth: Auth | None = None,
        progress: Progress | None = None,
        platform: Platform | None = None,
    ) -> None:
        """Push every tag that a repository has here, as `docker push --all-tags`. Raises NotFound when it has none."""
        name = reference.parse(repository).familiar_name
        tags = sorted(tag for image in self._records.all() for tag in image.repo_tags if tag.rpartition(":")[0] == name)
        if not tags:
            raise NotFound(f"An image does not exist locally with the tag: {name}")
        for tag in tags:
            self.push(tag, auth=auth, progress=progress, platform=platform)
