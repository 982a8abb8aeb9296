"""Making an index of images that were built here: one manifest for each platform, and one for what is attested of it.

An attestation's manifest is an image in form: a configuration without a system, and the in-toto statements as layers (BuildKit's
attestation storage).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .indexes import ATTESTATION, REFERENCE_DIGEST, REFERENCE_TYPE
from .manifest import IN_TOTO, OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, PREDICATE_TYPE, Descriptor, encode
from .registry.packing import Packing
from .types import platform_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .blobs import Blobs
    from .bodies import DescriptorJson, PlatformJson
    from .layers import Layers
    from .progress import Reporter
    from .types import Image

UNKNOWN: PlatformJson = {"architecture": "unknown", "os": "unknown"}


@dataclass(frozen=True, slots=True)
class Packed:
    """An image with the manifest that was made for it; ``blobs`` are what that names, itself first."""

    image: Image
    manifest: Descriptor
    blobs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One platform of an index, and in-toto statements about its manifest, each with its predicate type."""

    packed: Packed
    statements: Sequence[tuple[str, bytes]] = ()


@dataclass(frozen=True, slots=True)
class Assembled:
    """An index that is in the store; ``images`` are ids by the digests of their manifests."""

    digest: str
    images: dict[str, str]
    blobs: tuple[str, ...]


def packed(image: Image, blobs: Blobs, layers: Layers, report: Reporter) -> Packed:
    """Make the manifest of an image, and its layers' blobs where they are not there yet."""
    parts = [Packing(blobs, layers).layer(layer, report) for layer in image.layers]
    described = [Descriptor(_oci(part.media_type), part.digest, part.size) for part in parts]
    data = encode(Descriptor(OCI_CONFIG, image.id, blobs.size(image.id)), described, OCI_MANIFEST)
    manifest = Descriptor(OCI_MANIFEST, blobs.add(data), len(data))
    return Packed(image, manifest, (manifest.digest, image.id, *(part.digest for part in parts)))


def assemble(parts: Sequence[Part], blobs: Blobs) -> Assembled:
    """Store the index of these parts; first the images, in their order, then what is attested of them."""
    written: list[DescriptorJson] = []
    attested: list[DescriptorJson] = []
    kept: list[str] = []
    for part in parts:
        entry = part.packed.manifest.json()
        entry["platform"] = _platform(part.packed.image)
        written.append(entry)
        kept += part.packed.blobs
        if part.statements:
            manifest, names = _attestation(part.statements, blobs)
            about = {REFERENCE_DIGEST: part.packed.manifest.digest, REFERENCE_TYPE: ATTESTATION}
            attested.append({**manifest.json(), "annotations": about, "platform": UNKNOWN})
            kept += names
    data = _json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*written, *attested]})
    digest = blobs.add(data)
    images = {part.packed.manifest.digest: part.packed.image.id for part in parts}
    return Assembled(digest, images, (digest, *kept))


def _attestation(statements: Sequence[tuple[str, bytes]], blobs: Blobs) -> tuple[Descriptor, list[str]]:
    """The manifest of statements, and the digests of all that it is."""
    layers: list[DescriptorJson] = []
    for predicate, body in statements:
        layer = Descriptor(IN_TOTO, blobs.add(body), len(body)).json()
        layers.append({**layer, "annotations": {PREDICATE_TYPE: predicate}})
    digests = [layer["digest"] for layer in layers]
    config = _json({**UNKNOWN, "config": {}, "rootfs": {"type": "layers", "diff_ids": digests}})
    described = Descriptor(OCI_CONFIG, blobs.add(config), len(config))
    data = _json({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described.json(), "layers": layers})
    manifest = Descriptor(OCI_MANIFEST, blobs.add(data), len(data))
    return manifest, [manifest.digest, described.digest, *digests]


def _platform(image: Image) -> PlatformJson:
    platform = platform_of(image)
    shown: PlatformJson = {"architecture": platform.architecture, "os": platform.os}
    if platform.variant:
        shown["variant"] = platform.variant
    return shown


def _oci(media_type: str) -> str:
    """OCI's word for a layer's media type, whose compression both name alike."""
    if media_type.startswith(OCI_LAYER):
        return media_type
    compression = media_type.replace(".", "+").rpartition("+")[2]
    return f"{OCI_LAYER}+{compression}" if compression in ("gzip", "zstd") else OCI_LAYER


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
