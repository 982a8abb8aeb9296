"""Artifacts that are no images: a configuration and blobs of one's own kind under a tag (OCI image specification 1.1, artifacts)."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from urllib3.exceptions import HTTPError

from ...errors import InvalidParameter, Unauthorized, Unavailable
from ...shapes import members
from ..blobs import DigestMismatch
from ..manifest import OCI_MANIFEST, Descriptor, descriptor, document
from .client import Denied, failure, read
from .manifests import fetch
from .upload import Uploads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...shapes import Json
    from ..reference import Reference
    from .client import Registry

_ATTEMPTS = 4
_LARGEST_CONFIG = 4 << 20


@dataclass(frozen=True, slots=True)
class Artifact:
    """``kind`` is the artifact's type, ``config`` its document; ``blobs`` with the annotations of each."""

    kind: str
    config: Mapping[str, Json]
    blobs: tuple[tuple[Descriptor, Mapping[str, str]], ...]


class Artifacts:
    """Those of one repository. ``ref`` has a tag or a digest."""

    def __init__(self, registry: Registry, ref: Reference) -> None:
        self._registry, self._ref = registry, ref
        self._uploads = Uploads(registry, ref.path, f"repository:{ref.path}:pull,push")

    def send(self, media_type: str, data: bytes) -> tuple[Descriptor, bool]:
        """Upload a blob; whether it was not there before. Raises Unauthorized, Unavailable."""
        blob = Descriptor(media_type, f"sha256:{hashlib.sha256(data).hexdigest()}", len(data))
        try:
            if self._uploads.exists(blob.digest):
                return blob, False
            self._uploads.send(blob, io.BytesIO(data))
        except Denied as error:
            raise Unauthorized(str(error) or "denied: requested access to the resource is denied") from error
        return blob, True

    def publish(
        self, kind: str, config_type: str, config: Mapping[str, object], blobs: Sequence[Mapping[str, object]]
    ) -> str:
        """Put the manifest under the tag, when everything else is there; its digest."""
        described, _ = self.send(config_type, json.dumps(config, separators=(",", ":"), sort_keys=True).encode())
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": kind,
            "config": described.json(),
            "layers": list(blobs),
        }
        data = json.dumps(manifest, separators=(",", ":")).encode()
        response = self._registry.request(
            "PUT",
            f"{self._ref.path}/manifests/{self._ref.version}",
            scope=f"repository:{self._ref.path}:pull,push",
            headers={"Content-Type": OCI_MANIFEST},
            body=data,
        )
        if response.status not in (200, 201, 202):
            raise failure(response)
        response.drain_conn()
        response.release_conn()
        return f"sha256:{hashlib.sha256(data).hexdigest()}"

    def find(self) -> Artifact:
        """What the tag stands for. Raises NotFound, InvalidManifest, Unavailable."""
        data, _ = fetch(self._registry, self._ref, self._ref.version)
        value = document(data, "the manifest")
        config = descriptor(value.get("config"), "config")
        kind = value.get("artifactType") or config.media_type
        layers = value.get("layers")
        blobs = [
            (descriptor(one, "a layer"), members(one.get("annotations") or {}))
            for one in (layers if isinstance(layers, list) else [])
            if isinstance(one, dict)
        ]
        if config.size > _LARGEST_CONFIG:
            raise InvalidParameter(f"{self._ref.familiar}: its configuration is absurdly large")
        notes = tuple((blob, {name: str(text) for name, text in tags.items()}) for blob, tags in blobs)
        return Artifact(str(kind), document(self.get(config), "the configuration"), notes)

    def get(self, blob: Descriptor) -> bytes:
        """The blob's bytes, checked against size and digest. Raises DigestMismatch, Unavailable."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._once(blob)
            except (HTTPError, OSError, Unavailable, DigestMismatch) as error:
                if attempt == _ATTEMPTS:
                    if isinstance(error, (Unavailable, DigestMismatch)):
                        raise
                    raise Unavailable(f"{self._ref.familiar}: {blob.digest} breaks off again and again") from error
        raise AssertionError("unreachable")

    def _once(self, blob: Descriptor) -> bytes:
        path, scope = f"{self._ref.path}/blobs/{blob.digest}", f"repository:{self._ref.path}:pull"
        response = self._registry.request("GET", path, scope=scope)
        if response.status != 200:
            raise failure(response)
        data = read(response, blob.size)
        if len(data) != blob.size or f"sha256:{hashlib.sha256(data).hexdigest()}" != blob.digest:
            raise DigestMismatch(f"{self._ref.familiar}: {blob.digest} is not what its digest says")
        return data
