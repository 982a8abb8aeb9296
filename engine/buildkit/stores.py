"""Directories of the client's that hold an OCI layout, lent on its session as content stores: images as directories
(``tar=false``, ``oci-layout://`` contexts) and the cache of ``type=local``.

    put   blobs go there; the client writes its index.json itself, by the descriptor that it is told
    get   blobs come from there, each checked against its digest by whoever loads them

All of it blocks: run it in threads.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from .. import bounds
from ..errors import EngineError, InvalidParameter
from ..images.chunks import Chunks
from ..images.manifest import document, is_index, kind, listed, manifest
from ..images.pipeline import Produced
from . import messages
from .frontend import LOADED, CacheImport
from .grpc import ALREADY_EXISTS, GrpcError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from _typeshed import ReadableBuffer

    from ..images.manifest import Descriptor
    from ..images.service import Images

    Write = Callable[[bytes | bytearray], object]
    from .frontend import Asked
    from .lent import Lender, OpenCall

_WRITE = "/containerd.services.content.v1.Content/Write"
_READ = "/containerd.services.content.v1.Content/Read"
_PIECE = 1 << 20
_BLOBS = "blobs/sha256/"
_DEEPEST = 2  # indexes within indexes
_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'


class LentStore:
    """One content store of a session, by its name there."""

    def __init__(self, lender: Lender, name: str) -> None:
        self._lender, self._name = lender, name

    def _open(self, path: str) -> OpenCall:
        if not self._lender.offers(path):
            raise GrpcError(f"method {path} not supported by the client")
        return self._lender.open(path, buildkit_attachable_store_id=[self._name])

    def put(self, digest: str, size: int, pieces: Iterable[bytes]) -> None:
        """Write a blob; nothing to do for one that is there. Raises GrpcError."""
        request, name = messages.content.WriteContentRequest, f"upload-{digest}"
        try:
            with self._open(_WRITE) as call:
                offset = _answered(call, request(action="STAT", ref=name, total=size, expected=digest)).offset
                for piece in _from(pieces, offset):
                    _answered(call, request(action="WRITE", ref=name, offset=offset, data=piece))
                    offset += len(piece)
                _answered(call, request(action="COMMIT", ref=name, total=size, expected=digest, offset=offset))
                call.end()
        except GrpcError as error:
            if error.code != ALREADY_EXISTS:
                raise

    def get(self, digest: str) -> Iterator[bytes]:
        """A blob's content. Raises GrpcError."""
        with self._open(_READ) as call:
            call.put([messages.content.ReadContentRequest(digest=digest).SerializeToString()])
            call.end()
            while found := call.take():
                for raw in found:
                    yield messages.parse(messages.content.ReadContentResponse, raw).data

    # images ------------------------------------------------------------------------------------------------------------
    def put_image(self, images: Images, image: str, names: Iterable[str]) -> dict[str, object]:
        """Write an image, or the index that it was built with; its descriptor, which the client's index.json is to have."""
        chosen = list(names)
        descriptor: dict[str, object] = {}
        with (
            Produced(lambda write: images.archive(image, chosen, write, "oci-archive")) as produced,
            tarfile.open(fileobj=io.BufferedReader(Chunks(produced), _PIECE), mode="r|") as tar,
        ):
            for member in tar:
                content = tar.extractfile(member)
                if content is None:
                    continue
                if member.name.startswith(_BLOBS):
                    digest = f"sha256:{member.name.removeprefix(_BLOBS)}"
                    self.put(digest, member.size, iter(lambda: content.read(_PIECE), b""))  # noqa: B023 - used up here
                elif member.name == "index.json":
                    descriptor = dict(json.loads(content.read())["manifests"][0])
        descriptor.pop("annotations", None)
        return descriptor

    def get_image(self, images: Images, digest: str) -> str:
        """Bring an image, or those of an index, into the store; its id. Raises EngineError for anything else."""
        try:
            with Produced(lambda write: self._archive(digest, write)) as produced:
                loaded = images.load(io.BufferedReader(Chunks(produced), _PIECE))
        except OSError as error:
            raise InvalidParameter(f"{digest}: {error}") from error
        if not loaded:
            raise InvalidParameter(f"{digest} is no image for this engine")
        return loaded[0].id

    def _archive(self, digest: str, write: Write) -> None:
        data, media_type = self._manifest(digest)
        index = {"schemaVersion": 2, "manifests": [{"mediaType": media_type, "digest": digest, "size": len(data)}]}
        with tarfile.open(fileobj=_Writer(write), mode="w|", format=tarfile.PAX_FORMAT) as tar:
            _add(tar, "oci-layout", len(_LAYOUT), [_LAYOUT])
            text = json.dumps(index).encode()
            _add(tar, "index.json", len(text), [text])
            added: set[str] = set()
            self._add_manifest(tar, digest, added)

    def _add_manifest(self, tar: tarfile.TarFile, digest: str, added: set[str], depth: int = 0) -> None:
        """A manifest and the blobs that it names, each once; what a directory holds of an index only in part stays away."""
        data, media_type = self._manifest(digest)
        self._add_blob(tar, digest, len(data), [data], added)
        value = document(data, digest)
        if is_index(media_type):
            if depth > _DEEPEST:
                raise InvalidParameter(f"{digest}: indexes within indexes within indexes")
            for one in listed(value, digest):
                try:
                    self._manifest(str(one.get("digest") or ""))
                except EngineError:
                    continue
                self._add_manifest(tar, str(one["digest"]), added, depth + 1)
            return
        image = manifest(value, media_type, digest)
        for blob in (image.config, *image.layers):
            self._add_descriptor(tar, blob, added)

    def _add_descriptor(self, tar: tarfile.TarFile, blob: Descriptor, added: set[str]) -> None:
        self._add_blob(tar, blob.digest, blob.size, self.get(blob.digest), added)

    def _add_blob(self, tar: tarfile.TarFile, digest: str, size: int, pieces: Iterable[bytes], added: set[str]) -> None:
        if digest not in added:
            added.add(digest)
            _add(tar, _BLOBS + digest.removeprefix("sha256:"), size, pieces)

    def _manifest(self, digest: str) -> tuple[bytes, str]:
        data = b""
        for piece in self.get(digest):
            data += piece
            if len(data) > bounds.MANIFEST:
                raise InvalidParameter(f"{digest}: absurd size of a manifest")
        if f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
            raise InvalidParameter(f"{digest}: the client's content has another digest")
        return data, kind(document(data, digest), "")


# around a build ------------------------------------------------------------------------------------------------------------
_LAYOUT_CONTEXT = "oci-layout://"


@contextmanager
def brought(asked: Asked, lender: Lender, images: Images) -> Iterator[Asked]:
    """The request with what it names in the client's directories brought into the store: contexts of ``oci-layout://``, caches of
    ``type=local``. They leave it with the block, if nobody has given them names. A cache that cannot be read is none."""
    before = images.ids()
    found: list[str] = []
    attributes, caches = dict(asked.attributes), list(asked.cache_imports)
    try:
        for name, text in asked.with_prefix("context:").items():
            if text.startswith(_LAYOUT_CONTEXT):
                store, _, digest = text.removeprefix(_LAYOUT_CONTEXT).rpartition("@")
                store = f"oci:{store.partition(':')[0]}"
                found.append(LentStore(lender, store).get_image(images, digest))
                attributes[f"context:{name}"] = f"docker-image://{found[-1]}"
        for one in dict.fromkeys(
            (one.attributes.get("src", ""), one.attributes.get("digest", ""))
            for one in asked.caches()
            if one.kind == "local"
        ):
            with suppress(EngineError):
                found.append(LentStore(lender, f"local:{one[0]}").get_image(images, one[1]))
                caches.append(CacheImport(LOADED, {"ref": found[-1]}))
        yield replace(asked, attributes=attributes, cache_imports=tuple(caches))
    finally:
        for image in {*found} - {*before}:
            images.drop_nameless(image)


def export_cache(images: Images, lender: Lender, told: dict[str, str], where: str, image: str) -> None:
    """Put an image that carries a cache into the client's directory, and tell the client of it."""
    try:
        descriptor = LentStore(lender, f"local:{where}").put_image(images, image, ())
        told["cache.manifest"] = json.dumps(descriptor)
    finally:
        images.drop_nameless(image)


def _answered(call: OpenCall, request: messages.content.WriteContentRequest) -> messages.content.WriteContentResponse:
    call.put([request.SerializeToString()])
    found = call.take()
    if not found:
        raise GrpcError("the client's content store has ended without an answer")
    return messages.parse(messages.content.WriteContentResponse, found[-1])


def _from(pieces: Iterable[bytes], offset: int) -> Iterator[bytes]:
    """What comes after the first ``offset`` bytes, which an earlier attempt has brought."""
    for piece in pieces:
        if offset >= len(piece):
            offset -= len(piece)
            continue
        yield piece[offset:]
        offset = 0


def _add(tar: tarfile.TarFile, name: str, size: int, pieces: Iterable[bytes]) -> None:
    member = tarfile.TarInfo(name)
    member.size = size
    tar.addfile(member, io.BufferedReader(Chunks(pieces), _PIECE))


class _Writer(io.RawIOBase):
    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer) -> int:
        raw = bytes(data)
        self._write(raw)
        return len(raw)
