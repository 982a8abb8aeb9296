"""One manifest from one registry, checked against the digest it was asked by; and what a reference stands for there."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ... import bounds
from ...errors import NotFound
from ...shapes import members, strings
from ..blobs import DigestMismatch
from ..manifest import ACCEPTED, document, is_index, kind, listed, manifest
from .client import Denied, failure, read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..bodies import Distribution, PlatformJson
    from ..reference import Reference
    from .client import Registry


def fetch(registry: Registry, ref: Reference, version: str) -> tuple[bytes, str]:
    """Content and media type under ``version``, a tag or a digest. Raises NotFound in Docker's words, DigestMismatch."""
    name = ref.familiar_name
    try:
        response = registry.request(
            "GET",
            f"{ref.path}/manifests/{version}",
            scope=f"repository:{ref.path}:pull",
            headers={"Accept": ", ".join(ACCEPTED)},
        )
        if response.status != 200:
            raise failure(response)
    except Denied as error:
        raise NotFound(
            f"pull access denied for {name}, repository does not exist or may require 'docker login': {error}"
        ) from error
    except NotFound as error:
        shown = f"{name}@{version}" if ":" in version else f"{name}:{version}"
        raise NotFound(f"manifest for {shown} not found: {error}") from error
    content_type = response.headers.get("Content-Type", "")
    promised = response.headers.get("Docker-Content-Digest", "")
    data = read(response, bounds.MANIFEST)
    actual = f"sha256:{hashlib.sha256(data).hexdigest()}"
    wanted = version if ":" in version else promised
    if wanted and wanted.startswith("sha256:") and wanted != actual:
        raise DigestMismatch(f"manifest for {name} does not match its digest: expected {wanted}, got {actual}")
    return data, content_type


def distribution(registry: Registry, ref: Reference) -> Distribution:
    """Docker's DistributionInspect: the descriptor of what the reference stands for, and the platforms it is there for."""
    data, content_type = fetch(registry, ref, ref.version)
    value = document(data, "the manifest")
    media_type = kind(value, content_type)
    if is_index(media_type):
        platforms = [members(item["platform"]) for item in listed(value, ref.familiar) if item.get("platform")]
    else:
        config = manifest(value, media_type, ref.familiar).config
        response = registry.request("GET", f"{ref.path}/blobs/{config.digest}", scope=f"repository:{ref.path}:pull")
        if response.status != 200:
            raise failure(response)
        content = read(response, bounds.CONFIGURATION)
        if f"sha256:{hashlib.sha256(content).hexdigest()}" != config.digest:
            raise DigestMismatch(f"the configuration of {ref.familiar} does not match its digest {config.digest}")
        platforms = [document(content, "the configuration")]
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return {
        "Descriptor": {"mediaType": media_type, "digest": digest, "size": len(data)},
        "Platforms": [_platform(item) for item in platforms],
    }


def _platform(item: Mapping[str, object]) -> PlatformJson:
    """The members of an OCI platform that are there, ``architecture`` and ``os`` always."""
    found: PlatformJson = {"architecture": str(item.get("architecture") or ""), "os": str(item.get("os") or "")}
    if features := strings(item.get("os.features")):
        found["os.features"] = list(features)
    if item.get("os.version"):
        found["os.version"] = str(item["os.version"])
    if item.get("variant"):
        found["variant"] = str(item["variant"])
    return found
