"""Image indexes: one name for the images of several platforms and what is attested of them (OCI image specification,
image-index.md).

    tag or digest ─► index ─┬─► manifest, linux/amd64 ─► configuration, layers      an image of ours
                            ├─► manifest, linux/arm64                               known, its content not here
                            └─► manifest, unknown/unknown ─► in-toto statements     about one of the others

An index is kept byte by byte, so its digest outlives every push, save and load. It lives as long as a name points at it. What
is here of its platforms are images like others; they have the index's names and are hidden where only names count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from ..errors import NotFound
from ..shapes import members, objects
from .manifest import (
    IN_TOTO,
    OCI_MANIFEST,
    PREDICATE_TYPE,
    Descriptor,
    descriptor,
    document,
    is_index,
    kind,
    listed,
    select,
)
from .types import Platform

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ..store import Store
    from .blobs import Blobs
    from .bodies import AttestationRecord, DescriptorJson, IndexRecord
    from .reference import Reference

INDEX = "index"
REFERENCE_TYPE = "vnd.docker.reference.type"
REFERENCE_DIGEST = "vnd.docker.reference.digest"
ATTESTATION = "attestation-manifest"

_DEPTH = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """One manifest that an index names. ``about`` is the digest of the manifest that this one is an attestation of, or ""."""

    descriptor: Descriptor
    platform: Platform | None
    about: str
    written: Mapping[str, object]

    def json(self) -> DescriptorJson:
        """As it is written in the index."""
        return cast("DescriptorJson", dict(self.written))


def entries(value: Mapping[str, object], what: str) -> list[Entry]:
    """What an index names. Raises InvalidManifest."""
    found = []
    for item in listed(value, what):
        annotations, given = members(item.get("annotations")), members(item.get("platform"))
        about = annotations.get(REFERENCE_DIGEST) if annotations.get(REFERENCE_TYPE) == ATTESTATION else ""
        platform = None
        if isinstance(given.get("os"), str) and isinstance(given.get("architecture"), str) and not about:
            platform = Platform(str(given["os"]), str(given["architecture"]), str(given.get("variant") or ""))
        found.append(Entry(descriptor(item, what), platform, about if isinstance(about, str) else "", item))
    return found


def blobs_of(value: Mapping[str, object], what: str) -> list[Descriptor]:
    """The configuration and the layers of a manifest, of an image or of something else. Raises InvalidManifest."""
    layers = value.get("layers")
    given = [value.get("config"), *(layers if isinstance(layers, list) else ())]
    return [descriptor(one, what) for one in given]


class Indexes:
    """The indexes that are kept. Thread-safe as the store is."""

    def __init__(self, store: Store, blobs: Blobs) -> None:
        self._store, self._blobs = store, blobs

    def record(self, digest: str) -> IndexRecord | None:
        return cast("IndexRecord | None", self._store.get(INDEX, digest)) if digest else None

    def records(self) -> dict[str, IndexRecord]:
        return cast("dict[str, IndexRecord]", self._store.all(INDEX))

    def put(self, digest: str, images: Mapping[str, str], blobs: Iterable[str], origin: str = "") -> None:
        """Keep an index, whose blob is there: ``images`` are ids by the digest of the manifest, ``blobs`` what is kept with it,
        ``origin`` the repository that has the rest. What was known of it before stays known."""
        known = self.record(digest) or {"images": {}, "blobs": [], "origin": ""}
        record: IndexRecord = {
            "images": {**known["images"], **images},
            "blobs": sorted({*known["blobs"], *blobs}),
            "origin": origin or known["origin"],
        }
        self._store.put(INDEX, digest, cast("dict[str, object]", record))

    def drop(self, digest: str, ids: set[str]) -> None:
        """Keep no longer these images of an index, nor what only they need."""
        record = self.record(digest)
        if record is None:
            return
        lost = {manifest for manifest, id in record["images"].items() if id in ids}
        theirs = {blob for manifest in lost for blob in self.reachable(manifest)}
        others = [one.descriptor.digest for one in self.entries(digest) if one.descriptor.digest not in lost]
        needed = {digest, *(blob for manifest in others for blob in self.reachable(manifest))}
        kept: IndexRecord = {
            "images": {manifest: id for manifest, id in record["images"].items() if id not in ids},
            "blobs": [blob for blob in record["blobs"] if blob in needed or blob not in theirs],
            "origin": record["origin"],
        }
        self._store.put(INDEX, digest, cast("dict[str, object]", kept))

    def forget(self, digest: str) -> None:
        self._store.delete(INDEX, digest)

    # names ---------------------------------------------------------------------------------------------------------
    def named(self, ref: Reference) -> str:
        """The digest of the index that a name with tag or digest points at, or ""."""
        where = ("digest", f"{ref.name}@{ref.digest}") if ref.digest else ("tag", f"{ref.name}:{ref.tag}")
        digest = str((self._store.get(*where) or {}).get("index") or "")
        return digest if self.record(digest) is not None else ""

    def alive(self) -> set[str]:
        """The indexes that a name points at, or an image that was built with them."""
        named = [record for kind_ in ("tag", "digest", "image") for record in self._store.all(kind_).values()]
        return {str(record["index"]) for record in named if record.get("index")} & self.records().keys()

    def members(self) -> set[str]:
        """The ids of the images that belong to a living index."""
        records = self.records()
        return {id for digest in self.alive() for id in records[digest]["images"].values()}

    def built_with(self, id: str) -> str:
        """The index that a build made with this image as its default one, or ""."""
        digest = str((self._store.get("image", id) or {}).get("index") or "")
        return digest if self.record(digest) is not None else ""

    def of_image(self, id: str) -> str:
        """A living index that has this image for its default one, or else among its images; ""."""
        return self.by_image().get(id, "")

    def by_image(self) -> dict[str, str]:
        """``of_image`` for all images that have one."""
        records = self.records()
        if not records:
            return {}
        found = {id: digest for digest in sorted(self.alive()) for id in records[digest]["images"].values()}
        for kind_ in ("digest", "tag"):
            for record in self._store.all(kind_).values():
                if str(record.get("index") or "") in records:
                    found[str(record["image"])] = str(record["index"])
        built = ((id, str(record.get("index") or "")) for id, record in self._store.all("image").items())
        return {**found, **{id: digest for id, digest in built if digest in records}}

    def used_blobs(self) -> Iterator[str]:
        """Digests of what living indexes need."""
        records = self.records()
        for digest in self.alive():
            yield digest
            yield from records[digest]["blobs"]

    # content -------------------------------------------------------------------------------------------------------
    def read(self, digest: str) -> dict[str, object]:
        """A manifest or an index that is here. Raises NotFound, InvalidManifest."""
        return cast("dict[str, object]", document(self._blobs.read(digest), digest))

    def entries(self, digest: str) -> list[Entry]:
        return entries(self.read(digest), digest)

    def images(self, digest: str) -> dict[str, str]:
        """Ids of the images of an index that are here, by the digests of their manifests."""
        record = self.record(digest)
        known = record["images"] if record else {}
        return {manifest: id for manifest, id in known.items() if self._store.get("image", id) is not None}

    def choose(self, digest: str, platform: Platform) -> tuple[str, str]:
        """The image of a platform and the digest of its manifest; ("", "") when it is not here."""
        here = self.images(digest)
        written = [one.json() for one in self.entries(digest) if one.descriptor.digest in here]
        try:
            found = select({"manifests": written}, platform, digest).digest
        except NotFound:
            return "", ""
        return here[found], found

    def attestations(self, digest: str, id: str) -> list[AttestationRecord]:
        """The in-toto statements about an image that came with an index and are here."""
        about = {manifest for manifest, one in self.images(digest).items() if one == id}
        found: list[AttestationRecord] = []
        for entry in self.entries(digest) if about else ():
            if entry.about not in about or not self._blobs.has(entry.descriptor.digest):
                continue
            layers = self.read(entry.descriptor.digest).get("layers")
            for layer in objects(layers):
                one = descriptor(layer, entry.descriptor.digest)
                predicate = members(layer.get("annotations")).get(PREDICATE_TYPE)
                if one.media_type == IN_TOTO and isinstance(predicate, str) and self._blobs.has(one.digest):
                    found.append({"predicate": predicate, "digest": one.digest, "size": one.size})
        return found

    def complete(self, digest: str) -> bool:
        """Whether all that a manifest names is here."""
        if not self._blobs.has(digest):
            return False
        return all(self._blobs.has(one.digest) for one in blobs_of(self.read(digest), digest))

    def reachable(self, digest: str, depth: int = _DEPTH) -> Iterator[str]:
        """What is here of an index or a manifest, itself first: digests, some perhaps more than once."""
        if not self._blobs.has(digest) or not depth:
            return
        yield digest
        value = self.read(digest)
        if is_index(kind(value, OCI_MANIFEST)):
            for entry in entries(value, digest):
                yield from self.reachable(entry.descriptor.digest, depth - 1)
            return
        yield from (one.digest for one in blobs_of(value, digest) if self._blobs.has(one.digest))
