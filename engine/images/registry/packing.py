"""An image as a registry has it: layers as compressed blobs, and the manifest that names them. For pushing, and for being pulled from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..blobs import Ingest
from ..gzipwriter import compress
from ..layers import LOCAL_ZSTD
from ..manifest import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_LAYER,
    OCI_MANIFEST,
    Descriptor,
    encode,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..blobs import Blobs
    from ..layers import Layers
    from ..progress import Reporter
    from ..types import Image, Layer


class Packing:
    def __init__(self, blobs: Blobs, layers: Layers) -> None:
        self._blobs = blobs
        self._layers = layers

    def layer(self, layer: Layer, report: Reporter) -> Descriptor:
        """The layer as a blob of the store: as it came, as it was compressed before, or compressed now."""
        blob = self._layers.blob(layer)
        if blob is not None and blob.media_type != LOCAL_ZSTD:
            return blob
        known = self.known(layer)
        return known if known is not None and self._blobs.has(known.digest) else self.compressed(layer, report)

    def known(self, layer: Layer) -> Descriptor | None:
        """What an earlier compression of the layer made; its blob may have been removed since."""
        record = self._layers.record(layer.chain_id)
        if record is None or "gzip" not in record:
            return None
        return Descriptor(f"{OCI_LAYER}+gzip", record["gzip"]["digest"], record["gzip"]["size"])

    def compressed(self, layer: Layer, report: Reporter) -> Descriptor:
        short = _short(layer.diff_id)
        total = self._layers.tar_size(layer)
        done = 0
        with Ingest(self._blobs) as ingest:
            with self._layers.tar(layer) as tar:

                def counted() -> Iterator[bytes]:
                    nonlocal done
                    for data in tar:
                        done += len(data)
                        report.counter("Compressing", short, done, total)
                        yield data

                for piece in compress(counted()):
                    ingest.write(piece)
            blob = Descriptor(f"{OCI_LAYER}+gzip", ingest.commit(), ingest.offset)
        self._layers.note(layer, gzip={"digest": blob.digest, "size": blob.size})
        return blob

    def manifest(self, image: Image, layers: list[Descriptor], original: str) -> bytes:
        """The manifest as it was pulled when that still describes the layers, else one of our own."""
        if original and self._blobs.has(original):
            data = self._blobs.read(original)
            value = json.loads(data)
            if [item["digest"] for item in value["layers"]] == [layer.digest for layer in layers]:
                return data
        size = self._blobs.size(image.id)
        if any("zstd" in layer.media_type for layer in layers):
            described = [Descriptor(_oci(layer.media_type), layer.digest, layer.size) for layer in layers]
            return encode(Descriptor(OCI_CONFIG, image.id, size), described, OCI_MANIFEST)
        described = [Descriptor(f"{DOCKER_LAYER}.gzip", layer.digest, layer.size) for layer in layers]
        return encode(Descriptor(DOCKER_CONFIG, image.id, size), described, DOCKER_MANIFEST)


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]


def _oci(media_type: str) -> str:
    return media_type if media_type.startswith(OCI_LAYER) else f"{OCI_LAYER}+gzip"
