"""Reading image archives: what docker save wrote in any version since 1.10, and OCI layouts as tar, any compression.

The archive may have its members in any order and comes as a stream, so its files are spooled to the ingest directory
first, named by what they are called inside, and no name of theirs ever becomes a path.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import zstandard

from .. import bounds
from ..errors import InvalidParameter, NotFound
from ..shapes import members, strings
from . import reference
from .blobs import DigestMismatch, Ingest
from .compression import chunks, decompress, kind
from .indexes import blobs_of, entries
from .layers import LOCAL_ZSTD, chain_id
from .manifest import (
    OCI_LAYER,
    Descriptor,
    descriptor,
    diff_ids,
    document,
    is_index,
    manifest,
    select,
)
from .manifest import kind as manifest_kind
from .pipeline import Ahead
from .space import Space
from .tarstream import LINK, REGULAR, SYMLINK, Limits, TarReader
from .types import Platform

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from .blobs import Blobs
    from .indexes import Entry
    from .layers import Layers
    from .progress import Reporter
    from .types import Layer


@dataclass(frozen=True, slots=True)
class Loaded:
    """One image of an archive, its layers already in the store: configuration bytes, layers, names. ``manifest`` is the digest of
    what it came by, and ``blobs`` what is kept with it, where the archive is an OCI layout."""

    config: bytes
    layers: tuple[Layer, ...]
    names: tuple[str, ...]
    manifest: str = ""
    blobs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadedIndex:
    """An index of an archive and those of its platforms that the archive has, the one that its names mean first. ``blobs`` are what
    is kept with it."""

    digest: str
    images: tuple[Loaded, ...]
    names: tuple[str, ...]
    blobs: tuple[str, ...]


class Spool:
    """The files of an archive on disk, by their name inside. Leave the ``with`` block and they are gone."""

    def __init__(self, directory: Path, limits: Limits | None) -> None:
        self._directory = directory
        self._limits = limits
        self._files: dict[str, Path] = {}
        self._links: dict[str, str] = {}

    def __enter__(self) -> Spool:
        self._directory.mkdir(mode=0o700)
        self._place = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return self

    def __exit__(self, *_: object) -> None:
        for path in self._directory.iterdir():
            path.unlink()
        self._directory.rmdir()
        os.close(self._place)

    def read(self, source: Iterable[bytes]) -> None:
        reader = TarReader(source, self._limits)
        space = Space(self._place)
        for entry in reader:
            name = posixpath.normpath(entry.name.decode("utf-8", "surrogateescape")).lstrip("/")
            if len(self._files) + len(self._links) > bounds.ARCHIVE_FILES:
                raise InvalidParameter(f"invalid archive: more than {bounds.ARCHIVE_FILES} files")
            if entry.type == REGULAR and entry.sparse is None:
                path = self._directory / str(len(self._files))
                with path.open("xb", buffering=0) as file:
                    space.take(name, entry.size)
                    reader.payload(lambda piece, file=file: _write(file, piece))  # type: ignore[misc]
                self._files[name] = path
            elif entry.type in (SYMLINK, LINK):
                # docker save ≤ 24 links equal layers: "../<id>/layer.tar".
                link = entry.link.decode("utf-8", "surrogateescape")
                base = posixpath.dirname(name) if entry.type == SYMLINK else ""
                self._links[name] = posixpath.normpath(posixpath.join(base, link)).lstrip("/")

    def path(self, name: str) -> Path:
        name = posixpath.normpath(name).lstrip("/")
        for _ in range(8):
            if name not in self._links:
                break
            name = self._links[name]
        if name not in self._files:
            raise InvalidParameter(f"invalid archive: it has no file {name[:200]!r}")
        return self._files[name]

    def has(self, name: str) -> bool:
        return name in self._files

    def document(self, name: str, digest: str = "") -> bytes:
        """A small file, checked against ``digest`` when given."""
        path = self.path(name)
        if path.stat().st_size > bounds.CONFIGURATION:
            raise InvalidParameter(f"invalid archive: {name[:200]!r} is too large")
        data = path.read_bytes()
        if digest and f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
            raise DigestMismatch(f"invalid archive: {name[:200]!r} does not match its digest")
        return data


def _write(file: BinaryIO, data: memoryview) -> None:
    while data:
        data = data[file.write(data) :]


class Loader:
    def __init__(self, blobs: Blobs, layers: Layers, platforms: Sequence[Platform], reporter: Reporter) -> None:
        """Of an index everything is loaded, or only the images for ``platforms`` when there are any."""
        self._blobs = blobs
        self._layers = layers
        self._only = platforms or None
        self._platform = platforms[0] if platforms else Platform.host()
        self._report = reporter

    def load(self, stream: BinaryIO, limits: Limits | None = None) -> Iterator[Loaded | LoadedIndex]:
        """The images of an archive, one by one. Raises InvalidParameter when it is none."""
        with Spool(self._blobs.ingest_path(f"{os.urandom(12).hex()}.load"), limits) as spool:
            with Ahead(decompress(chunks(stream))) as source:
                spool.read(source)
            if spool.has("index.json") and _has_index(spool):
                yield from self._oci(spool)
            elif spool.has("manifest.json"):
                yield from self._docker(spool)
            elif spool.has("index.json"):
                yield from self._oci(spool)
            else:
                raise InvalidParameter("invalid archive: it has neither manifest.json nor index.json (docker import?)")

    # docker save ---------------------------------------------------------------------------------------------------
    def _docker(self, spool: Spool) -> Iterator[Loaded]:
        wrapped = document(b'{"images":' + spool.document("manifest.json") + b"}", "manifest.json")
        images = wrapped["images"]
        if not isinstance(images, list):
            raise InvalidParameter("invalid archive: manifest.json is not a list")
        for item in map(members, images):
            paths, names, place = _strings(item.get("Layers")), _strings(item.get("RepoTags")), item.get("Config")
            if paths is None or names is None or not isinstance(place, str):
                raise InvalidParameter("invalid archive: malformed manifest.json")
            config = spool.document(place)
            value = document(config, place)
            ids = diff_ids(value, len(paths), "the archive")
            self._check(value)
            stack: list[Layer] = []
            for path, diff_id in zip(paths, ids, strict=True):
                stack.append(self._layer(spool.path(path), diff_id, stack, None))
            yield Loaded(config, tuple(stack), tuple(str(reference.given(name)) for name in names))

    # OCI layout ----------------------------------------------------------------------------------------------------
    def _oci(self, spool: Spool) -> Iterator[Loaded | LoadedIndex]:
        index = document(spool.document("index.json"), "index.json")
        entries = index.get("manifests")
        if not isinstance(entries, list):
            raise InvalidParameter("invalid archive: index.json has no manifests")
        for entry in entries:
            found = descriptor(entry, "index.json")
            annotations = members(members(entry).get("annotations"))
            if annotations.get("vnd.docker.reference.type") == "attestation-manifest":
                continue
            names = _names(annotations)
            value = document(spool.document(_blob(found.digest), found.digest), found.digest)
            media_type = manifest_kind(value, found.media_type)
            if is_index(media_type):
                yield self._index(spool, found.digest, names)
            else:
                yield self._image(spool, found, names, keep=False)

    def _image(self, spool: Spool, found: Descriptor, names: tuple[str, ...], *, keep: bool) -> Loaded:
        """With ``keep`` its manifest and its blobs stay as they are."""
        raw = spool.document(_blob(found.digest), found.digest)
        value = document(raw, found.digest)
        image = manifest(value, manifest_kind(value, found.media_type), "the archive")
        config = spool.document(_blob(image.config.digest), image.config.digest)
        described = document(config, "the configuration")
        ids = diff_ids(described, len(image.layers), "the archive")
        self._check(described)
        stack: list[Layer] = []
        for layer, diff_id in zip(image.layers, ids, strict=True):
            stack.append(self._layer(spool.path(_blob(layer.digest)), diff_id, stack, layer))
        if not keep:
            return Loaded(config, tuple(stack), names)
        self._blobs.add(raw)
        for layer in image.layers:
            self._as_it_is(spool, layer)
        return Loaded(config, tuple(stack), names, found.digest, (found.digest, *(one.digest for one in image.layers)))

    def _check(self, config: Mapping[str, object]) -> None:
        """Raises NotFound for an image of another platform than those that are wanted."""
        own = Platform.of(config)
        if self._only is not None and own not in self._only:
            wanted = ", ".join(map(str, self._only))
            raise NotFound(f"the archive's image is for {own}, and does not provide the requested platform ({wanted})")

    def _index(self, spool: Spool, digest: str, names: tuple[str, ...]) -> LoadedIndex:
        """Everything of an index that the archive has. Raises NotFound where that is no image for a platform that is wanted."""
        raw = spool.document(_blob(digest), digest)
        every = entries(document(raw, digest), digest)
        self._blobs.add(raw)
        kept = [digest]
        images: dict[str, Loaded] = {}
        for entry in every:
            if not self._whole(spool, entry):
                continue
            if entry.platform is not None and (self._only is None or entry.platform in self._only):
                images[entry.descriptor.digest] = self._image(spool, entry.descriptor, (), keep=True)
            elif entry.platform is None:
                kept += self._attestation(spool, entry)
        here = [entry.json() for entry in every if entry.descriptor.digest in images]
        try:
            main = select({"manifests": here}, self._platform, "the archive").digest
        except NotFound:
            if self._only is not None or not images:
                raise
            main = next(iter(images))
        ordered = (images[main], *(one for name, one in images.items() if name != main))
        kept += [blob for one in ordered for blob in one.blobs]
        return LoadedIndex(digest, ordered, names, tuple(dict.fromkeys(kept)))

    def _whole(self, spool: Spool, entry: Entry) -> bool:
        """Whether the archive has a manifest and all that it names; one within another index counts as not there."""
        name = _blob(entry.descriptor.digest)
        if not spool.has(name):
            return False
        value = document(spool.document(name, entry.descriptor.digest), entry.descriptor.digest)
        if is_index(manifest_kind(value, entry.descriptor.media_type)):
            return False
        return all(spool.has(_blob(one.digest)) for one in blobs_of(value, entry.descriptor.digest))

    def _attestation(self, spool: Spool, entry: Entry) -> list[str]:
        """Keep what is no image as it is: digests."""
        digest = entry.descriptor.digest
        raw = spool.document(_blob(digest), digest)
        self._blobs.add(raw)
        parts = blobs_of(document(raw, digest), digest)
        for part in parts:
            self._as_it_is(spool, part)
        return [digest, *(part.digest for part in parts)]

    def _as_it_is(self, spool: Spool, blob: Descriptor) -> None:
        if self._blobs.has(blob.digest):
            return
        with Ingest(self._blobs) as ingest, spool.path(_blob(blob.digest)).open("rb") as file:
            for data in chunks(file, 1 << 20):
                ingest.write(data)
            ingest.commit(blob.digest, blob.size)

    # layers --------------------------------------------------------------------------------------------------------
    def _layer(self, path: Path, diff_id: str, parents: list[Layer], told: Descriptor | None) -> Layer:
        known = self._layers.get(chain_id(parents[-1].chain_id if parents else "", diff_id))
        short = diff_id.removeprefix("sha256:")[:12]
        if known is not None:
            self._report.status("Already exists", short)
            return known
        size = path.stat().st_size
        with path.open("rb") as file:
            compression = kind(file.read(8))
        blob = self._keep(path, told, compression) if compression in ("gzip", "zstd") else None
        with path.open("rb") if blob is None else self._blobs.open(blob.digest) as file:
            source = decompress(self._counted(file, short, size))
            layer = self._layers.apply(source, parents, diff_id=diff_id, blob=blob, keep=lambda: self._compress(path))
        self._report.status("Load complete", short)
        return layer

    def _counted(self, file: BinaryIO, short: str, size: int) -> Iterator[bytes]:
        done = 0
        for data in chunks(file):
            done += len(data)
            self._report.counter("Loading layer", short, done, size)
            yield data

    def _keep(self, path: Path, told: Descriptor | None, compression: str) -> Descriptor:
        """A compressed layer as it came: its tar cannot be told from the tree, and a push sends it unchanged."""
        size = path.stat().st_size
        with Ingest(self._blobs) as ingest, path.open("rb") as file:
            for data in chunks(file, 1 << 20):
                ingest.write(data)
            digest = ingest.commit(told.digest if told else "", told.size if told else size)
        return Descriptor(f"{OCI_LAYER}+{compression}", digest, size)

    def _compress(self, path: Path) -> Descriptor:
        """A foreign tar that the tree cannot reproduce byte by byte."""
        compressor = zstandard.ZstdCompressor(level=1).compressobj()
        with path.open("rb") as file, Ingest(self._blobs) as ingest:
            for data in decompress(chunks(file, 1 << 20)):
                ingest.write(compressor.compress(data))
            ingest.write(compressor.flush())
            digest = ingest.commit()
            return Descriptor(LOCAL_ZSTD, digest, ingest.offset)


def _has_index(spool: Spool) -> bool:
    """Whether any of an archive's images is an index, which its manifest.json does not tell."""
    listed = document(spool.document("index.json"), "index.json").get("manifests")
    entries = listed if isinstance(listed, list) else []
    return any(is_index(str(members(entry).get("mediaType"))) for entry in entries)


def _strings(value: object) -> tuple[str, ...] | None:
    """What may be a list of strings, or nothing; None for anything else."""
    found = strings(value or [])
    return found if list(found) == (value or []) else None


def _blob(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


def _names(annotations: Mapping[str, object]) -> tuple[str, ...]:
    """containerd's full name, else the layout's ref.name when it is a whole reference (skopeo, podman). One with a digest is
    none that an archive could give."""
    full = annotations.get("io.containerd.image.name")
    short = annotations.get("org.opencontainers.image.ref.name")
    name = full if isinstance(full, str) and full else short
    if not isinstance(name, str) or "@" in name or (name is short and not (":" in name or "/" in name)):
        return ()
    return (str(reference.given(name)),)
