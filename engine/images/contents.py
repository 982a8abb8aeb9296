"""What the Engine API says of an image's manifests: Descriptor, Manifests and Identity of GET /images/json and /images/{name}/json
(since 1.47, 1.48 and 1.53), and the descriptor that containers show."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .indexes import entries
from .manifest import OCI_MANIFEST, Descriptor, is_index, kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .blobs import Blobs
    from .bodies import DescriptorJson, Identity, ImageRecord, ManifestSummary, PlatformJson
    from .indexes import Entry, Indexes
    from .records import Records
    from .types import Image, Platform

    Users = Callable[[str], Sequence[str]]


_BUILDS = 10  # the newest that are remembered of an image


@dataclass(frozen=True, slots=True)
class Contents:
    """Answers from what is here; nothing is fetched."""

    blobs: Blobs
    records: Records
    indexes: Indexes
    _known: dict[str, Descriptor] = field(default_factory=dict)

    def target(self, image: Image, index: str) -> DescriptorJson | None:
        """What the image's name stands for at a registry: its index, or the manifest that it came by. None when it never was at
        one."""
        digest = index or self._manifest(image)
        return self.described(digest).json() if digest else None

    def of_platform(self, id: str) -> DescriptorJson | None:
        """The manifest that an image was made from, with its platform. None when there is none."""
        image = self.records.nameless(id)
        if image is None:
            return None
        digest = self._manifest(image)
        if not digest:
            return None
        shown = self.described(digest).json()
        shown["platform"] = _platform(image)
        return shown

    def manifests(self, image: Image, index: str, users: Users) -> list[ManifestSummary]:
        """All manifests that the image's name stands for; ``users`` are the ids of an image's containers."""
        if index:
            here = self.indexes.images(index)
            return [
                self._summary(entry, here.get(entry.descriptor.digest, ""), users) for entry in self._entries(index)
            ]
        digest = self._manifest(image)
        if not digest:
            return []
        shown = self.described(digest).json()
        return [self._image(shown, image.id, _platform(image), users)]

    def identity(self, id: str) -> Identity:
        """Where an image is from: repositories that it was pulled from, and builds of this engine's history."""
        record: ImageRecord | None = self.records.record(id)
        shown: Identity = {}
        if record is None:
            return shown
        if places := record.get("pulled"):
            shown["Pull"] = [{"Repository": place} for place in places]
        if builds := record.get("builds"):
            shown["Build"] = [{"Ref": ref, "CreatedAt": when} for ref, when in builds]
        return shown

    def note_build(self, id: str, ref: str, when: str) -> None:
        """Remember of which build an image is the result."""
        record: ImageRecord | None = self.records.record(id)
        if record is not None:
            builds = [one for one in record.get("builds", ()) if one[0] != ref]
            self.records.put(id, {**record, "builds": [*builds, [ref, when]][-_BUILDS:]})

    def note_pull(self, id: str, repository: str) -> None:
        """Remember from where an image came."""
        record: ImageRecord | None = self.records.record(id)
        if record is not None and repository not in record.get("pulled", ()):
            self.records.put(id, {**record, "pulled": [*record.get("pulled", ()), repository]})

    # one manifest ---------------------------------------------------------------------------------------------------
    def _entries(self, index: str) -> list[Entry]:
        return entries(self.indexes.read(index), index)

    def _manifest(self, image: Image) -> str:
        record: ImageRecord | None = self.records.record(image.id)
        digest = record.get("manifest", "") if record else ""
        return digest if digest and self.blobs.has(digest) else ""

    def described(self, digest: str) -> Descriptor:
        """Of a manifest or an index that is here."""
        if digest not in self._known:
            value = self.indexes.read(digest)
            self._known[digest] = Descriptor(kind(value, OCI_MANIFEST), digest, self.blobs.size(digest))
        return self._known[digest]

    def _summary(self, entry: Entry, id: str, users: Users) -> ManifestSummary:
        digest, written = entry.descriptor.digest, entry.json()
        if entry.platform is not None and not is_index(entry.descriptor.media_type):
            return self._image(written, id, written.get("platform") or _shown(entry.platform), users)
        content = self._content(digest)
        shown: ManifestSummary = {
            "ID": digest,
            "Descriptor": written,
            "Available": self.indexes.complete(digest),
            "Size": {"Content": content, "Total": content},
            "Kind": "unknown",
        }
        if entry.about:
            shown["Kind"] = "attestation"
            shown["AttestationData"] = {"For": entry.about}
        return shown

    def _image(self, written: DescriptorJson, id: str, platform: PlatformJson, users: Users) -> ManifestSummary:
        content = self._content(written["digest"])
        image = self.records.get(id) if id else None
        unpacked = image.size if image else 0
        return {
            "ID": written["digest"],
            "Descriptor": written,
            "Available": image is not None,
            "Size": {"Content": content, "Total": content + unpacked},
            "Kind": "image",
            "ImageData": {
                "Platform": platform,
                "Containers": list(users(id)) if id else [],
                "Size": {"Unpacked": unpacked},
            },
        }

    def _content(self, digest: str) -> int:
        return sum(self.blobs.size(one) for one in set(self.indexes.reachable(digest)))


def instead_of(index: DescriptorJson | None, pushed: Descriptor) -> dict[str, object]:
    """What clients are told when one manifest was pushed and not the whole index (Docker's aux message)."""
    return {
        "manifestPushedInsteadOfIndex": True,
        "originalIndex": index or {},
        "selectedManifest": pushed.json(),
    }


def _platform(image: Image) -> PlatformJson:
    config = image.config
    shown: PlatformJson = {"architecture": config.get("architecture") or "", "os": config.get("os") or ""}
    if variant := config.get("variant"):
        shown["variant"] = variant
    return shown


def _shown(platform: Platform) -> PlatformJson:
    shown: PlatformJson = {"architecture": platform.architecture, "os": platform.os}
    if platform.variant:
        shown["variant"] = platform.variant
    return shown
