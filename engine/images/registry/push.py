"""Pushing: layers that the registry lacks, then the configuration, then the manifest.

A layer goes as the blob it came as; one that was made here is compressed with gzip, the same way every time, and the
result is kept for the next push (until images are pruned). A layer known to lie elsewhere in the same registry is mounted from there.
"""

from __future__ import annotations

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import Unauthorized
from ..layers import LOCAL_ZSTD
from ..manifest import (
    Descriptor,
    document,
    kind,
)
from .client import Denied, failure
from .packing import Packing
from .upload import Uploads

if TYPE_CHECKING:
    from collections.abc import Callable

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
        self._packing = Packing(blobs, layers)
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
        data = self._packing.manifest(image, layers, original)
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

    # layers --------------------------------------------------------------------------------------------------------
    def _layer(self, layer: Layer) -> Descriptor:
        blob = self._layers.blob(layer)
        if blob is not None and blob.media_type != LOCAL_ZSTD:
            if not self._present(blob, layer):
                return self._send(blob, layer)
            self._layers.note_place(layer, self._ref.name)
            return blob
        known = self._packing.known(layer)
        if known is not None:
            if self._present(known, layer):
                return known
            if self._blobs.has(known.digest):
                return self._send(known, layer)
        return self._send(self._packing.compressed(layer, self._report), layer)

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

    def _mount(self, blob: Descriptor, layer: Layer) -> str:
        record = self._layers.record(layer.chain_id)
        for place in record.get("places", ()) if record else ():
            domain, _, path = place.partition("/")
            if domain == self._ref.domain and path != self._ref.path and self._uploads.mount(blob.digest, path):
                return path
        return ""

    def _counter(self, short: str, blob: Descriptor) -> Callable[[int], None]:
        return lambda done: self._report.counter("Pushing", short, done, blob.size)


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]
