"""The sum of a tar: one number for all that its members are and hold, whatever their order and the archive's dialect.

Two engines write the same tree differently: ``./a`` or ``a``, holes or zeros, another of two hard links first. What is compared
are names, kinds, modes, numeric owners, sizes, contents, targets of links and devices' numbers, and times of files in whole seconds,
which is what dockerd's archives hold.
"""

from __future__ import annotations

import hashlib
import io
import posixpath
import queue
import tarfile
import threading
from typing import TYPE_CHECKING, NamedTuple

from ...errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_AHEAD = 16
"""Blocks that may wait to be summed."""

_PIECE = 1 << 20
_WIDTH = 16
_MODULUS = 1 << (8 * _WIDTH)


class Sum(NamedTuple):
    """``files`` counts all members; ``size`` is the bytes of regular files, ``digest`` a sum over members."""

    files: int
    size: int
    digest: int


class Summing(threading.Thread):
    """Sums the blocks that pass through `tee`; `result` is there when they have ended."""

    def __init__(self) -> None:
        super().__init__(name="sum", daemon=True)
        self._queue: queue.Queue[bytes] = queue.Queue(_AHEAD)
        self._sum: Sum | None = None
        self._fault: Exception | None = None

    def tee(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The blocks as they come. What breaks off is not summed."""
        self.start()
        try:
            for block in blocks:
                if block:
                    self._queue.put(block)
                yield block
        finally:
            self._queue.put(b"")

    def result(self) -> Sum:
        """Raises `OperationError` for what is no whole tar."""
        self.join()
        if self._sum is None:
            raise OperationError(f"the archive of the volume cannot be read: {self._fault}")
        return self._sum

    def run(self) -> None:
        reader = _Blocks(self._queue)
        try:
            self._sum = _sum(reader)
        except (tarfile.TarError, OSError, ValueError, EOFError) as error:
            self._fault = error
        finally:
            reader.drain()


def sum_of(blocks: Iterable[bytes]) -> Sum:
    """The sum of a whole tar. Raises `OperationError`."""
    summing = Summing()
    for _ in summing.tee(blocks):
        pass
    return summing.result()


class _Blocks(io.RawIOBase):
    """The queue's blocks as a file; an empty one is its end."""

    def __init__(self, blocks: queue.Queue[bytes]) -> None:
        self._blocks = blocks
        self._rest = memoryview(b"")
        self._ended = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        parts: list[bytes] = []
        while size < 0 or size > 0:
            if not self._rest and not self._next():
                break
            piece = self._rest if size < 0 else self._rest[:size]
            self._rest = self._rest[len(piece) :]
            size -= len(piece) if size >= 0 else 0
            parts.append(bytes(piece))
        return b"".join(parts)

    def drain(self) -> None:
        """Take what is left, so that nobody waits to put it."""
        while self._next():
            pass

    def _next(self) -> bool:
        if not self._ended:
            self._rest = memoryview(self._blocks.get())
            self._ended = not self._rest
        return not self._ended


def _sum(file: _Blocks) -> Sum:
    contents: dict[str, bytes] = {}
    files = size = digest = 0
    with tarfile.open(fileobj=file, mode="r|", errorlevel=2) as tar:
        for member in tar:
            vars(tar)["members"].clear()  # the library would keep every header
            name = posixpath.normpath(member.name).lstrip("/")
            held = b""
            if member.isreg():
                held = _content(tar, member)
                contents[name] = held
                size += member.size
            elif member.islnk():
                held = contents.get(posixpath.normpath(member.linkname).lstrip("/"), b"?")
                contents[name] = held
            elif member.issym():
                held = member.linkname.encode("utf-8", "surrogateescape")
            files += 1
            digest = (digest + _member(member, name, held)) % _MODULUS
    return Sum(files, size, digest)


def _member(member: tarfile.TarInfo, name: str, held: bytes) -> int:
    is_file = member.isreg() or member.islnk()
    kind = b"0" if is_file else member.type
    device = (member.devmajor, member.devminor) if member.ischr() or member.isblk() else (0, 0)
    mode = 0 if member.issym() else member.mode & 0o7777
    times = int(member.mtime) if is_file else 0
    facts = repr((name, kind, mode, member.uid, member.gid, times, device)).encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(facts + b"\0" + held, digest_size=_WIDTH).digest(), "big")


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    found = hashlib.blake2b(digest_size=_WIDTH)
    file = tar.extractfile(member)
    while file is not None and (piece := file.read(_PIECE)):
        found.update(piece)
    return found.digest()
