"""Pushing: layers that the registry lacks, then the configuration, then the manifest.

A layer goes as the blob it came as; one that was made here is compressed with gzip, the same way every time, and the
result is kept for the next push (until images are pruned). A layer known to lie elsewhere in the same registry is mounted from there.
"""

from __future__ import annotations

import hashlib
import io
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import Unauthorized
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
    document,
    encode,
    kind,
)
from .client import Denied, failure
from .upload import Uploads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..blobs import Blobs
    from ..layers import Layers
    from ..progress import Reporter
    from ..reference import Reference
    from ..types import Image, Layer
    from .client import Registry


@dataclass(frozen=True, slots=True)
class Pushed:
    digest: str
    size: int
    manifest: bytes


class Pusher:
    def __init__(
        self, registry: Registry, ref: Reference, blobs: Blobs, layers: Layers, reporter: Reporter, parallel: int
    ) -> None:
        self._parallel = parallel
        self._registry = registry
        self._ref = ref
        self._blobs = blobs
        self._layers = layers
        self._report = reporter
        self._scope = f"repository:{ref.path}:pull,push"
        self._uploads = Uploads(registry, ref.path, self._scope)

    def push(self, image: Image, original: str) -> Pushed:
        """Push an image; ``original`` is the digest of the manifest it was pulled by, or "".

        Raises Unauthorized ("denied: …"), Unavailable.
        """
        try:
            return self._push(image, original)
        except Denied as error:
            raise Unauthorized(str(error) or "denied: requested access to the resource is denied") from error

    def _push(self, image: Image, original: str) -> Pushed:
        for layer in image.layers:
            self._report({"status": "Preparing", "progressDetail": {}, "id": _short(layer.diff_id)})
        with ThreadPoolExecutor(self._parallel, thread_name_prefix="push") as pool:
            futures = {layer.chain_id: pool.submit(self._layer, layer) for layer in image.layers}
            layers = [futures[layer.chain_id].result() for layer in image.layers]
        data = self._manifest(image, layers, original)
        config = self._blobs.read(image.id)
        described = Descriptor("", image.id, len(config))
        if not self._uploads.exists(image.id):
            self._uploads.send(described, io.BytesIO(config))
        media_type = kind(document(data, "the manifest"))
        response = self._registry.request(
            "PUT",
            f"{self._ref.path}/manifests/{self._ref.version}",
            scope=self._scope,
            headers={"Content-Type": media_type},
            body=data,
        )
        if response.status not in (200, 201, 202):
            raise failure(response)
        response.drain_conn()
        response.release_conn()
        return Pushed(f"sha256:{hashlib.sha256(data).hexdigest()}", len(data), data)

    def _manifest(self, image: Image, layers: list[Descriptor], original: str) -> bytes:
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

    # layers --------------------------------------------------------------------------------------------------------
    def _layer(self, layer: Layer) -> Descriptor:
        blob = self._layers.blob(layer)
        if blob is not None and blob.media_type != LOCAL_ZSTD:
            if not self._present(blob, layer):
                return self._send(blob, layer)
            self._layers.note_place(layer, self._ref.name)
            return blob
        record = self._layers.record(layer.chain_id) or {}
        if "gzip" in record:
            known = Descriptor(f"{OCI_LAYER}+gzip", record["gzip"]["digest"], record["gzip"]["size"])
            if self._present(known, layer):
                return known
            if self._blobs.has(known.digest):
                return self._send(known, layer)
        return self._send(self._compressed(layer), layer)

    def _send(self, blob: Descriptor, layer: Layer) -> Descriptor:
        short = _short(layer.diff_id)
        with self._blobs.open(blob.digest) as file:
            self._uploads.send(blob, file, self._counter(short, blob))
        self._report({"status": "Pushed", "progressDetail": {}, "id": short})
        self._layers.note_place(layer, self._ref.name)
        return blob

    def _present(self, blob: Descriptor, layer: Layer) -> bool:
        """Whether the repository has the blob, if need be by mounting it from another one of the same registry."""
        short = _short(layer.diff_id)
        if self._uploads.exists(blob.digest):
            self._report({"status": "Layer already exists", "progressDetail": {}, "id": short})
            return True
        place = self._mount(blob, layer)
        if place:
            self._report({"status": f"Mounted from {place}", "progressDetail": {}, "id": short})
        return bool(place)

    def _compressed(self, layer: Layer) -> Descriptor:
        short = _short(layer.diff_id)
        total = self._layers.tar_size(layer)
        done = 0
        with Ingest(self._blobs) as ingest:
            with self._layers.tar(layer) as tar:

                def counted() -> Iterator[bytes]:
                    nonlocal done
                    for data in tar:
                        done += len(data)
                        self._report.counter("Compressing", short, done, total)
                        yield data

                for piece in compress(counted()):
                    ingest.write(piece)
            blob = Descriptor(f"{OCI_LAYER}+gzip", ingest.commit(), ingest.offset)
        self._layers.note(layer, gzip={"digest": blob.digest, "size": blob.size})
        return blob

    def _mount(self, blob: Descriptor, layer: Layer) -> str:
        record = self._layers.record(layer.chain_id) or {}
        for place in record.get("places", []):
            domain, _, path = place.partition("/")
            if domain == self._ref.domain and path != self._ref.path and self._uploads.mount(blob.digest, path):
                return str(path)
        return ""

    def _counter(self, short: str, blob: Descriptor) -> Callable[[int], None]:
        return lambda done: self._report.counter("Pushing", short, done, blob.size)


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]


def _oci(media_type: str) -> str:
    return media_type if media_type.startswith(OCI_LAYER) else f"{OCI_LAYER}+gzip"
