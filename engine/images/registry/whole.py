"""Pushing an index whole: all of its platforms and attestations, then the index itself, byte by byte as it is here.

    for each manifest: there already? ─ no ─► its blobs: there, mounted, or sent ─► PUT by digest;   at last PUT index by tag

What is not here, because only one platform was pulled, is mounted from where it came from or fetched from there.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ...errors import EngineError, NotFound, Unauthorized
from ..indexes import blobs_of, entries
from ..manifest import Descriptor, document, is_index, kind
from .client import Denied, failure
from .push import Pushed
from .upload import Uploads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..blobs import Blobs
    from ..progress import Reporter
    from ..reference import Reference
    from .client import Registry

_DEPTH = 4


class Missing(NotFound):
    """Some of what an index names is neither here nor to be had."""


class Source(Protocol):
    """Where an index came from."""

    @property
    def ref(self) -> Reference: ...

    def bring(self, wanted: Descriptor, *, manifest: bool) -> None:
        """Have a manifest or another blob in the store. Raises EngineError."""
        ...


@dataclass(frozen=True, slots=True)
class IndexPusher:
    """Pushes into the repository of ``ref``; ``source`` has what is not here."""

    registry: Registry
    ref: Reference
    blobs: Blobs
    reporter: Reporter
    parallel: int
    source: Source | None

    def push(self, digest: str) -> Pushed:
        """Push an index under ``ref``. Raises Missing before the name is touched, Unauthorized, Unavailable."""
        try:
            data = self.blobs.read(digest)
            self._children(data, digest, _DEPTH)
            self._put(self.ref.version, data)
            return Pushed(digest, len(data), data)
        except Denied as error:
            raise Unauthorized(str(error) or "denied: requested access to the resource is denied") from error

    @property
    def _scope(self) -> str:
        return f"repository:{self.ref.path}:pull,push"

    def _children(self, data: bytes, digest: str, depth: int) -> None:
        if not depth:
            raise Missing(f"{self.ref.familiar}: indexes within indexes, too many to push")
        for entry in entries(document(data, digest), digest):
            self._manifest(entry.descriptor, depth)

    def _manifest(self, wanted: Descriptor, depth: int) -> None:
        short = _short(wanted.digest)
        if self._has_manifest(wanted):
            self.reporter({"status": "Layer already exists", "progressDetail": {}, "id": short})
            return
        self._bring(wanted, manifest=True)
        data = self.blobs.read(wanted.digest)
        value = document(data, wanted.digest)
        if is_index(kind(value, wanted.media_type)):
            self._children(data, wanted.digest, depth - 1)
        else:
            self._all(blobs_of(value, wanted.digest))
        self._put(wanted.digest, data)
        self.reporter({"status": "Pushed", "progressDetail": {}, "id": short})

    def _all(self, wanted: Sequence[Descriptor]) -> None:
        distinct = list({one.digest: one for one in wanted}.values())
        uploads = Uploads(self.registry, self.ref.path, self._scope)
        with ThreadPoolExecutor(self.parallel, thread_name_prefix="push") as pool:
            futures = [pool.submit(self._blob, uploads, one) for one in distinct]
            for future in futures:
                future.result()

    def _blob(self, uploads: Uploads, blob: Descriptor) -> None:
        short = _short(blob.digest)
        if uploads.exists(blob.digest):
            self.reporter({"status": "Layer already exists", "progressDetail": {}, "id": short})
            return
        source = self.source.ref if self.source is not None else None
        near = source is not None and source.domain == self.ref.domain and source.path != self.ref.path
        if source is not None and near and uploads.mount(blob.digest, source.path):
            self.reporter({"status": f"Mounted from {source.path}", "progressDetail": {}, "id": short})
            return
        self._bring(blob, manifest=False)
        with self.blobs.open(blob.digest) as file:
            uploads.send(blob, file, lambda done: self.reporter.counter("Pushing", short, done, blob.size))
        self.reporter({"status": "Pushed", "progressDetail": {}, "id": short})

    def _bring(self, wanted: Descriptor, *, manifest: bool) -> None:
        if self.blobs.has(wanted.digest):
            return
        if self.source is None:
            raise Missing(f"{self.ref.familiar}: content {wanted.digest} is not here")
        try:
            self.source.bring(wanted, manifest=manifest)
        except (EngineError, OSError) as error:
            raise Missing(f"{self.ref.familiar}: content {wanted.digest} is not here: {error}") from error

    # requests --------------------------------------------------------------------------------------------------------
    def _has_manifest(self, wanted: Descriptor) -> bool:
        response = self.registry.request(
            "HEAD",
            f"{self.ref.path}/manifests/{wanted.digest}",
            scope=self._scope,
            headers={"Accept": wanted.media_type or "*/*"},
        )
        response.drain_conn()
        response.release_conn()
        return response.status == 200

    def _put(self, version: str, data: bytes) -> None:
        response = self.registry.request(
            "PUT",
            f"{self.ref.path}/manifests/{version}",
            scope=self._scope,
            headers={"Content-Type": kind(document(data, "the manifest"))},
            body=data,
        )
        if response.status not in (200, 201, 202):
            raise failure(response)
        response.drain_conn()
        response.release_conn()


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]
