"""Manifests and indexes: OCI image specification 1.1 and Docker image manifest version 2, schema 2. Pure.

Everything that comes from outside is checked for its shape here, so the rest may rely on it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...grammar.numerals import natural
from .. import bounds
from ..errors import EngineError, NotFound
from ..shapes import decode, members, objects
from .reference import is_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ..shapes import Json
    from .bodies import DescriptorJson
    from .types import Platform

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
_DOCKER_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1"

IN_TOTO = "application/vnd.in-toto+json"
PREDICATE_TYPE = "in-toto.io/predicate-type"

ACCEPTED = (OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST)
_COMPRESSIONS = ("", "+gzip", ".gzip", "+zstd", ".zstd")
_LAYER_TYPES = frozenset(
    {base + suffix for base in (OCI_LAYER, DOCKER_LAYER) for suffix in _COMPRESSIONS}
    | {"application/vnd.oci.image.layer.nondistributable.v1.tar" + suffix for suffix in _COMPRESSIONS}
    | {"application/vnd.docker.image.rootfs.foreign.diff.tar" + suffix for suffix in _COMPRESSIONS}
)


class InvalidManifest(EngineError):
    """What a registry or an archive gave is not a manifest that images are made of."""

    status = 502


@dataclass(frozen=True, slots=True)
class Descriptor:
    """OCI image specification, descriptor.md."""

    media_type: str
    digest: str
    size: int

    def json(self) -> DescriptorJson:
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


@dataclass(frozen=True, slots=True)
class Manifest:
    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]


def document(data: bytes, what: str) -> dict[str, Json]:
    """A JSON object, or InvalidManifest."""
    try:
        value = decode(data.decode("utf-8-sig"))
    except ValueError:
        raise InvalidManifest(f"{what} is not JSON") from None
    if not isinstance(value, dict):
        raise InvalidManifest(f"{what} is not a JSON object")
    return value


def descriptor(value: object, what: str) -> Descriptor:
    if not isinstance(value, dict):
        raise InvalidManifest(f"{what}: not a descriptor")
    digest, size, media_type = value.get("digest"), value.get("size"), value.get("mediaType", "")
    if not isinstance(digest, str) or not is_digest(digest):
        raise InvalidManifest(f"{what}: invalid digest {str(digest)[:100]!r}")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise InvalidManifest(f"{what}: invalid size")
    return Descriptor(media_type if isinstance(media_type, str) else "", digest, size)


def kind(value: Mapping[str, object], content_type: str = "") -> str:
    """The media type, from the document, else the transport, else its members."""
    declared = value.get("mediaType") or content_type.partition(";")[0].strip()
    if isinstance(declared, str) and (declared in ACCEPTED or declared.startswith(_DOCKER_SCHEMA1)):
        return declared
    if value.get("schemaVersion") == 1:
        return f"{_DOCKER_SCHEMA1}+json"
    return OCI_INDEX if "manifests" in value else OCI_MANIFEST


def is_index(media_type: str) -> bool:
    return media_type in (OCI_INDEX, DOCKER_LIST)


def manifest(value: Mapping[str, object], media_type: str, what: str) -> Manifest:
    """Check an image manifest. Raises InvalidManifest for anything that is not an image."""
    if media_type.startswith(_DOCKER_SCHEMA1):
        raise InvalidManifest(f"{what}: image manifest version 2, schema 1 is not supported any more")
    if "manifests" in value and ("layers" in value or "config" in value):
        raise InvalidManifest(f"{what}: both an index and a manifest")
    config = descriptor(value.get("config"), f"{what}: config")
    layers = value.get("layers")
    if not isinstance(layers, list) or len(layers) > bounds.LAYERS:
        raise InvalidManifest(f"{what}: invalid layers")
    if config.media_type not in (OCI_CONFIG, DOCKER_CONFIG):
        raise InvalidManifest(f"{what}: it is no container image (configuration of type {config.media_type[:100]!r})")
    found = tuple(descriptor(layer, f"{what}: layer") for layer in layers)
    for layer in found:
        if layer.media_type not in _LAYER_TYPES:
            raise InvalidManifest(f"{what}: unsupported layer type {layer.media_type[:100]!r}")
    return Manifest(media_type, config, found)


def diff_ids(config: Mapping[str, object], expected: int, what: str) -> tuple[str, ...]:
    """The diff IDs of an image configuration, as many as the manifest has layers."""
    rootfs = config.get("rootfs")
    ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    ids = [] if ids is None and isinstance(rootfs, dict) else ids
    if not isinstance(ids, list) or not all(isinstance(item, str) and is_digest(item) for item in ids):
        raise InvalidManifest(f"{what}: the configuration has no valid rootfs.diff_ids")
    if len(ids) != expected:
        raise InvalidManifest(f"{what}: {expected} layers, but {len(ids)} diff IDs")
    for name, types in (("config", dict), ("history", list)):
        if config.get(name) is not None and not isinstance(config[name], types):
            raise InvalidManifest(f"{what}: the configuration's {name} is malformed")
    history = config.get("history")
    entries = history if isinstance(history, list) else ()
    if not all(isinstance(item, dict) and _texts_at(item, _HISTORY) is None for item in entries):
        raise InvalidManifest(f"{what}: the configuration's history is malformed")
    if (wrong := _texts_at(config, _PLAIN)) is not None:
        raise InvalidManifest(f"{what}: the configuration's {wrong} is malformed")
    for name, value in members(config.get("config")).items():
        if value is not None and not _PROCESS.get(name, _anything)(value):
            raise InvalidManifest(f"{what}: the configuration's {name} is malformed")
    return tuple(ids)


_PLAIN = ("created", "author", "architecture", "os", "os.version", "variant", "comment", "docker_version")
_HISTORY = ("created", "created_by", "author", "comment")


def _texts_at(tree: Mapping[str, object], names: Iterable[str]) -> str | None:
    """The first of these members that is there and no text."""
    return next((name for name in names if tree.get(name) is not None and not _text(tree[name])), None)


def _anything(_: object) -> bool:
    return True


def _text(value: object) -> bool:
    return isinstance(value, str) and "\0" not in value


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _set(value: object) -> bool:
    return isinstance(value, dict)


def _labels(value: object) -> bool:
    return isinstance(value, dict) and all(map(_text, value.values()))


def _healthcheck(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    numbers = [value.get(name) or 0 for name in ("Interval", "Timeout", "StartPeriod", "StartInterval", "Retries")]
    return _texts(value.get("Test") or []) and all(
        isinstance(number, int) and 0 <= number < 1 << 63 for number in numbers
    )


_PROCESS: Mapping[str, Callable[[object], bool]] = {
    **dict.fromkeys(("User", "WorkingDir", "StopSignal", "Hostname", "Domainname"), _text),
    **dict.fromkeys(("Env", "Cmd", "Entrypoint", "OnBuild", "Shell"), _texts),
    **dict.fromkeys(("ExposedPorts", "Volumes"), _set),
    "Labels": _labels,
    "Healthcheck": _healthcheck,
}
"""The types of a configuration's ``config``: what is stored here is believed by all who make containers of it."""


def listed(value: Mapping[str, object], what: str) -> list[Mapping[str, object]]:
    """The entries of an index. One that could be taken for a manifest as well is neither (CVE-2021-41190)."""
    manifests = value.get("manifests")
    if not isinstance(manifests, list):
        raise InvalidManifest(f"{what}: an index without manifests")
    if any(name in value for name in ("config", "layers", "fsLayers")):
        raise InvalidManifest(f"{what}: both an index and a manifest")
    if not all(isinstance(item, dict) for item in manifests):
        raise InvalidManifest(f"{what}: malformed index")
    return list(objects(manifests))


def select(value: Mapping[str, object], wanted: Platform, what: str) -> Descriptor:
    """The manifest of an index for a platform: the same variant before any. Raises NotFound in Docker's words."""
    manifests = listed(value, what)
    best: Descriptor | None = None
    score = 0
    for item in manifests:
        platform = item.get("platform")
        points = _score(platform, wanted) if isinstance(platform, dict) else int(len(manifests) == 1)
        if points > score and item.get("mediaType", "") not in (OCI_INDEX, DOCKER_LIST):
            best, score = descriptor(item, what), points
    if best is None:
        raise NotFound(f"no matching manifest for {wanted} in the manifest list entries")
    return best


def _score(platform: Mapping[str, object], wanted: Platform) -> int:
    if platform.get("os") != wanted.os or platform.get("architecture") != wanted.architecture:
        return 0
    variant = str(platform.get("variant") or "")
    if wanted.architecture == "arm64" and variant == "v8":
        variant = ""
    if variant == wanted.variant:
        return 100
    if wanted.architecture == "arm":
        # A newer core runs what was built for an older one.
        have, want = variant[1:] or "7", wanted.variant[1:] or "7"
        older, newer = natural(have), natural(want)
        return 10 + older if older is not None and newer is not None and older <= newer else 0
    if wanted.architecture == "amd64":
        # x86-64-v2 and so on: only the baseline is safe.
        return 50 if not variant or variant == "v1" else 0
    return 10


def encode(config: Descriptor, layers: Sequence[Descriptor], media_type: str = DOCKER_MANIFEST) -> bytes:
    """A manifest as bytes; the same input gives the same bytes."""
    value = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": config.json(),
        "layers": [layer.json() for layer in layers],
    }
    return json.dumps(value, indent=3).encode()
