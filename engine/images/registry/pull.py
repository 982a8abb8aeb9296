"""Pulling: from a reference to layers in the store and a configuration, blobs in parallel, layers unpacked in order.

    tag ─► manifest or index ─► manifest for the platform ─► configuration ─► blobs (some at a time) ─► layers

Every document is checked against the digest it was asked by, so only the first step trusts the registry.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ... import bounds
from ...errors import EngineError
from ..blobs import DigestMismatch
from ..compression import chunks, decompress
from ..layers import chain
from ..manifest import (
    Descriptor,
    InvalidManifest,
    Manifest,
    diff_ids,
    document,
    is_index,
    kind,
    manifest,
    select,
)
from .manifests import fetch
from .signed import require

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..abort import Abort
    from ..blobs import Blobs
    from ..layers import Layers
    from ..progress import Reporter
    from ..reference import Reference
    from ..types import Layer, Platform
    from .client import Registry
    from .endpoints import RegistryConfig
    from .transfer import Downloads


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull brought: the digest the name stands for, which may be an ``index``'s, the manifest's digest, configuration bytes,
    layers."""

    digest: str
    index: bool
    manifest: str
    config: bytes
    layers: tuple[Layer, ...]
    blobs: tuple[str, ...]


class Into(NamedTuple):
    """Where things that are pulled go; ``downloads`` are what several pulls share."""

    blobs: Blobs
    layers: Layers
    downloads: Downloads


class Puller:
    def __init__(
        self,
        registries: Sequence[Registry],
        ref: Reference,
        platform: Platform,
        into: Into,
        config: RegistryConfig,
        reporter: Reporter,
        stop: Abort,
    ) -> None:
        self._rules = config.verify
        self._stop = stop
        self._parallel = config.downloads
        self._registries = registries
        self._ref = ref
        self._platform = platform
        self._blobs, self._layers, self._downloads = into
        self._report = reporter

    def pull(self) -> Pulled:
        """Fetch everything that is not there yet. Raises NotFound, Unauthorized, Unavailable, DigestMismatch."""
        registry, data, content_type = self._first()
        self._report({"status": f"Pulling from {self._ref.path}", "id": self._ref.version})
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        require(registry, self._ref, digest, self._rules)
        value = document(data, "the manifest")
        media_type = kind(value, content_type)
        found = digest
        several = is_index(media_type)
        if several:
            self._blobs.add(data)
            chosen = select(value, self._platform, str(self._ref.familiar))
            data, content_type = fetch(registry, self._ref, chosen.digest)
            found = chosen.digest
            value = document(data, "the manifest")
            media_type = kind(value, content_type or chosen.media_type)
            if is_index(media_type):
                raise InvalidManifest("an index within an index is not supported")
        image = manifest(value, media_type, self._ref.familiar)
        self._blobs.add(data)
        config, ids = self._config(registry, image)
        layers = self._fetch(registry, image, ids)
        kept = {found, *(layer.digest for layer in image.layers)}
        return Pulled(digest, several, found, config, layers, tuple(sorted(kept)))

    # manifests -----------------------------------------------------------------------------------------------------
    def _first(self) -> tuple[Registry, bytes, str]:
        """The manifest from the first registry that has it: a mirror may fail, the registry itself decides."""
        for registry in self._registries:
            try:
                return registry, *fetch(registry, self._ref, self._ref.version)
            except (EngineError, OSError):
                if not registry.is_mirror:
                    raise
        raise AssertionError("there is always the registry itself")

    def _config(self, registry: Registry, image: Manifest) -> tuple[bytes, tuple[str, ...]]:
        if image.config.size > bounds.CONFIGURATION:
            raise InvalidManifest(f"{self._ref.familiar}: absurd size of the configuration: {image.config.size}")
        self._downloads.fetch(registry, self._ref.path, image.config, lambda done: None, self._stop.is_set)
        data = self._blobs.read(image.config.digest)
        return data, diff_ids(document(data, "the configuration"), len(image.layers), self._ref.familiar)

    # layers --------------------------------------------------------------------------------------------------------
    def _fetch(self, registry: Registry, image: Manifest, ids: Sequence[str]) -> tuple[Layer, ...]:
        """Download what is missing, unpack it bottom up; the first failure stops all."""
        levels = chain(ids)
        known = 0
        while known < len(levels) and self._layers.get(levels[known]) is not None:
            self._report.status("Already exists", _short(image.layers[known].digest))
            known += 1
        stack = list(self._layers.stack(ids[:known]))
        for blob in image.layers[known:]:
            self._report({"status": "Pulling fs layer", "progressDetail": {}, "id": _short(blob.digest)})
        with ThreadPoolExecutor(self._parallel, thread_name_prefix="pull") as pool:
            waiting: list[tuple[Descriptor, str, Future[None]]] = [
                (blob, diff_id, pool.submit(self._download, registry, blob))
                for blob, diff_id in zip(image.layers[known:], ids[known:], strict=True)
            ]
            try:
                for blob, diff_id, future in waiting:
                    future.result()
                    stack.append(self._unpack(blob, diff_id, stack))
            except BaseException:
                self._stop.set()
                for _, _, future in waiting:
                    future.cancel()
                raise
        return tuple(stack)

    def _download(self, registry: Registry, blob: Descriptor) -> None:
        short = _short(blob.digest)
        self._downloads.fetch(
            registry,
            self._ref.path,
            blob,
            lambda done: self._report.counter("Downloading", short, done, blob.size),
            self._stop.is_set,
        )
        self._report({"status": "Download complete", "progressDetail": {}, "id": short})

    def _unpack(self, blob: Descriptor, diff_id: str, stack: list[Layer]) -> Layer:
        short = _short(blob.digest)
        with self._blobs.open(blob.digest) as file:

            def counted() -> Iterator[bytes]:
                done = 0
                for data in chunks(file):
                    done += len(data)
                    self._report.counter("Extracting", short, done, blob.size)
                    yield data

            try:
                layer = self._layers.apply(decompress(counted()), stack, diff_id=diff_id, blob=blob)
            except DigestMismatch as error:
                raise DigestMismatch(f"{self._ref.familiar}: {error}") from error
        self._layers.note_place(layer, self._ref.name)
        self._report({"status": "Pull complete", "progressDetail": {}, "id": short})
        return layer


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]
