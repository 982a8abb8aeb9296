"""Content-addressed blobs: what is visible under its digest is whole. Nothing here knows what a blob means.

A blob is written to the ingest directory while its digest is computed, and renamed when digest and size are right.
Files are not synced one by one: durability.py syncs the file system behind the work, and after a power cut what was not
yet synced is checked by its digest.
"""

from __future__ import annotations

import hashlib
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import EngineError, NotFound
from ..linux.spread import spread
from .compression import chunks
from .space import Space

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from ..layout import Layout


class DigestMismatch(EngineError):
    """The content is not what its digest or length promised."""

    status = 502


class Blobs:
    def __init__(self, layout: Layout) -> None:
        self._blobs = layout.blobs
        self._ingest = layout.ingest
        for directory in (self._blobs, self._ingest):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        spread(self._ingest)
        self._lock = threading.Lock()
        self._users = 0

    @contextmanager
    def lease(self) -> Iterator[None]:
        """While inside, blobs that no record names yet are safe from ``collect``."""
        with self._lock:
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1

    def collect(self, used: Callable[[], set[str]]) -> int:
        """Delete the blobs that are not ``used``, unless somebody is bringing some in; returns the bytes freed."""
        with self._lock:
            if self._users:
                return 0
            keep = used()
            return sum(self.remove(digest) for digest in list(self.digests()) if digest not in keep)

    def path(self, digest: str) -> Path:
        return self._blobs / digest.removeprefix("sha256:")

    def has(self, digest: str) -> bool:
        return self.path(digest).exists()

    def size(self, digest: str) -> int:
        return self.path(digest).stat().st_size

    def open(self, digest: str) -> BinaryIO:
        try:
            return self.path(digest).open("rb")
        except FileNotFoundError:
            raise NotFound(f"content {digest} is not in the store") from None

    def read(self, digest: str) -> bytes:
        with self.open(digest) as file:
            return file.read()

    def add(self, data: bytes) -> str:
        """Store a small document; returns its digest."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if not self.has(digest):
            with Ingest(self) as ingest:
                ingest.write(data)
                ingest.commit(digest, len(data))
        return digest

    def remove(self, digest: str) -> int:
        """Delete a blob; returns its size, 0 when it was not there."""
        path = self.path(digest)
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            return 0
        return size

    def digests(self) -> Iterator[str]:
        for entry in os.scandir(self._blobs):
            yield f"sha256:{entry.name}"

    def verify_since(self, when: float) -> list[str]:
        """Recompute the digests of blobs modified after ``when`` (seconds); delete and return the damaged ones."""
        damaged = []
        for entry in list(os.scandir(self._blobs)):
            if entry.stat().st_mtime < when:
                continue
            actual = hashlib.sha256()
            with open(entry.path, "rb") as file:
                for data in chunks(file, 1 << 20):
                    actual.update(data)
            if actual.hexdigest() != entry.name:
                os.unlink(entry.path)
                damaged.append(f"sha256:{entry.name}")
        return damaged

    def ingest_path(self, name: str) -> Path:
        return self._ingest / name


class Ingest:
    """One blob on its way in. Without ``commit`` the file is deleted, or kept for resuming when it has a ``key``.

    With a key (the wanted digest), ``offset`` tells what an earlier attempt left, already digested.
    """

    def __init__(self, blobs: Blobs, key: str = "") -> None:
        self._blobs = blobs
        self._keep = bool(key)
        name = f"{key.removeprefix('sha256:')}.partial" if key else f"{os.urandom(12).hex()}.tmp"
        self.path = blobs.ingest_path(name)
        self._hash = hashlib.sha256()
        self.offset = 0
        self._file = open(self.path, "a+b" if key else "xb", buffering=0)  # noqa: SIM115 - closed by __exit__
        self._space = Space(self._file.fileno())
        if key:
            self._file.seek(0)
            for data in chunks(self._file, 1 << 20):
                self._hash.update(data)
                self.offset += len(data)

    def __enter__(self) -> Ingest:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if not self._keep:
            self.path.unlink(missing_ok=True)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)
        self.expect(len(view))
        self._hash.update(view)
        self.offset += len(view)
        while view:
            view = view[self._file.write(view) or 0 :]

    def expect(self, size: int) -> None:
        """Say that so much is coming. Raises OSError ENOSPC when the disk has no room for it; what is there goes then, for
        whoever has filled the disk is not to keep it full."""
        try:
            self._space.take(self.path.name, size)
        except OSError:
            self._keep = False
            raise

    @property
    def digest(self) -> str:
        """Of what has been written so far."""
        return f"sha256:{self._hash.hexdigest()}"

    def restart(self) -> None:
        """Throw away what is there."""
        self._file.seek(0)
        self._file.truncate(0)
        self._hash = hashlib.sha256()
        self.offset = 0

    def commit(self, digest: str = "", size: int | None = None) -> str:
        """Make the blob visible; returns its digest. Raises DigestMismatch, and then the data is gone."""
        actual = f"sha256:{self._hash.hexdigest()}"
        if (digest and actual != digest) or (size is not None and self.offset != size):
            self._keep = False
            if size is not None and self.offset != size:
                raise DigestMismatch(f"content {digest or actual}: expected {size} bytes, got {self.offset}")
            raise DigestMismatch(f"content does not match its digest: expected {digest}, got {actual}")
        os.replace(self.path, self._blobs.path(actual))
        self._keep = True  # the name is gone already
        return actual
