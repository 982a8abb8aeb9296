"""An image that others may pull from this engine: its manifest, and the blobs that it names. Nothing else of the store is theirs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..manifest import document, kind
from .packing import Packing

if TYPE_CHECKING:
    from ..blobs import Blobs
    from ..layers import Layers
    from ..progress import Reporter
    from ..types import Image


@dataclass(frozen=True, slots=True)
class Served:
    """``blobs`` are the digests of the configuration and the layers."""

    digest: str
    media_type: str
    manifest: bytes
    blobs: frozenset[str]


def serve(image: Image, original: str, blobs: Blobs, layers: Layers, report: Reporter) -> Served:
    """Make the image ready to be pulled; what has to be compressed for that is kept, as for a push. ``original`` is the digest of the
    manifest that it was pulled by, or ""."""
    packing = Packing(blobs, layers)
    packed = [packing.layer(layer, report) for layer in image.layers]
    manifest = packing.manifest(image, packed, original)
    digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    names = frozenset({image.id, *(one.digest for one in packed)})
    return Served(digest, kind(document(manifest, "the manifest")), manifest, names)
