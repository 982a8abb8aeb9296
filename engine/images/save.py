"""Writing images as one tar: Docker's archive (with an OCI layout in it, as docker save ≥ 25 writes) or OCI's.

    oci-layout, index.json, blobs/sha256/<hex>      OCI image layout 1.1
    manifest.json, repositories                     what docker load reads; only in docker-archive

Layers are uncompressed, each written once, with sizes known beforehand, so nothing is spooled. An image that came with an index is
written as it came: the index, and all of its manifests and blobs that are here.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from ..errors import InvalidParameter
from . import reference
from .compression import chunks
from .indexes import blobs_of
from .manifest import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Descriptor, encode, kind
from .pack import header, padding

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .blobs import Blobs
    from .bodies import DescriptorJson
    from .indexes import Indexes
    from .layers import Layers
    from .types import Image

DOCKER_ARCHIVE, OCI_ARCHIVE = "docker-archive", "oci-archive"


class DockerManifest(TypedDict):
    """One image in manifest.json: the names of files in the archive."""

    Config: str
    RepoTags: list[str] | None
    Layers: list[str]


@dataclass(frozen=True, slots=True)
class Saved:
    """An image to save with the familiar names to keep; with ``index``, a digest, all of that."""

    image: Image
    names: Sequence[str]
    index: str = ""


def save(
    images: Sequence[Saved],
    write: Callable[[bytes | bytearray], object],
    format: str,
    blobs: Blobs,
    layers: Layers,
    indexes: Indexes,
) -> None:
    """Send the archive of images to ``write``."""
    if format not in (DOCKER_ARCHIVE, OCI_ARCHIVE):
        raise InvalidParameter(f"unknown image archive format {format!r}")
    archive = _Archive(write)
    archive.directory("blobs/")
    archive.directory("blobs/sha256/")
    index: list[DescriptorJson] = []
    docker: list[DockerManifest] = []
    repositories: dict[str, dict[str, str]] = {}
    for saved in images:
        image, names = saved.image, saved.names
        if saved.index:
            index += _written(archive, saved, blobs, indexes)
            docker.append(_as_it_came(saved, blobs, indexes))
            continue
        described = []
        for layer in image.layers:
            size = layers.tar_size(layer)
            described.append(Descriptor(OCI_LAYER, layer.diff_id, size))
            if archive.begin(_path(layer.diff_id), size):
                with layers.tar(layer) as tar:
                    for data in tar:
                        archive.data(data)
                archive.end()
        config = blobs.read(image.id)
        archive.file(_path(image.id), config)
        manifest = encode(Descriptor(OCI_CONFIG, image.id, len(config)), described, OCI_MANIFEST)
        digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
        archive.file(_path(digest), manifest)
        entry = Descriptor(OCI_MANIFEST, digest, len(manifest)).json()
        entry["platform"] = {}
        if architecture := image.config.get("architecture"):
            entry["platform"]["architecture"] = architecture
        if system := image.config.get("os"):
            entry["platform"]["os"] = system
        index += _entries(entry, names)
        docker.append(
            {
                "Config": _path(image.id),
                "RepoTags": list(names) or None,
                "Layers": [_path(layer.diff_id) for layer in image.layers],
            }
        )
        for name in names:
            repository, _, tag = name.rpartition(":")
            if image.layers:
                repositories.setdefault(repository, {})[tag] = image.layers[-1].diff_id.removeprefix("sha256:")
    archive.file("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    archive.file("index.json", _json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": index}))
    if format == DOCKER_ARCHIVE:
        archive.file("manifest.json", _json(docker))
        if repositories:
            archive.file("repositories", _json(repositories))
    archive.finish()


def _written(archive: _Archive, saved: Saved, blobs: Blobs, indexes: Indexes) -> list[DescriptorJson]:
    """Write what is here of an index; its entries in index.json."""
    for digest in dict.fromkeys(indexes.reachable(saved.index)):
        if archive.begin(_path(digest), blobs.size(digest)):
            with blobs.open(digest) as file:
                for data in chunks(file, 1 << 20):
                    archive.data(data)
            archive.end()
    value = indexes.read(saved.index)
    entry = Descriptor(kind(value, OCI_INDEX), saved.index, blobs.size(saved.index)).json()
    return _entries(entry, saved.names)


def _as_it_came(saved: Saved, blobs: Blobs, indexes: Indexes) -> DockerManifest:
    """What manifest.json says of the image of an index that its name means, for who reads no index."""
    manifest = next(one for one, id in indexes.images(saved.index).items() if id == saved.image.id)
    config, *layers = blobs_of(indexes.read(manifest), manifest)
    return {
        "Config": _path(config.digest),
        "RepoTags": list(saved.names) or None,
        "Layers": [_path(layer.digest) for layer in layers],
    }


def _entries(entry: DescriptorJson, names: Sequence[str]) -> list[DescriptorJson]:
    if not names:
        return [entry]
    entries: list[DescriptorJson] = []
    for name in names:
        ref = reference.parse(name)
        annotations = {"io.containerd.image.name": str(ref), "org.opencontainers.image.ref.name": ref.tag}
        entries.append({**entry, "annotations": annotations})
    return entries


def _path(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


class _Archive:
    """A tar of plain files without owners or times; a name is written once."""

    def __init__(self, write: Callable[[bytes | bytearray], object]) -> None:
        self._write = write
        self._names: set[str] = set()
        self._left = 0
        self._size = 0

    def directory(self, name: str) -> None:
        self._write(header(name.encode(), 0o755, 0, b"5"))

    def begin(self, name: str, size: int) -> bool:
        """Start a file; False when it is there already."""
        if name in self._names:
            return False
        self._names.add(name)
        self._write(header(name.encode(), 0o644, size, b"0"))
        self._left = self._size = size
        return True

    def data(self, data: bytes | bytearray) -> None:
        self._left -= len(data)
        if self._left < 0:
            raise ValueError("a layer is longer than its record says")
        self._write(data)

    def end(self) -> None:
        if self._left:
            raise ValueError("a layer is shorter than its record says")
        self._write(padding(self._size))

    def file(self, name: str, content: bytes) -> None:
        if self.begin(name, len(content)):
            self.data(content)
            self.end()

    def finish(self) -> None:
        self._write(bytes(1024))
