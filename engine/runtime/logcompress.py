"""Compressing what log rotation has put aside, a little at a time between the shim's other work.

    00000003.data ──► 00000003.data.gz.new ──rename──► 00000003.data.gz, and 00000003.data is removed

The index stays as it is. A reader that has the data open goes on reading it; others unpack it for themselves (logread).
"""

from __future__ import annotations

import contextlib
import os
import struct
from typing import TYPE_CHECKING, Any

from .logfile import compressed_path, data_path, index_path

if TYPE_CHECKING:
    from .loop import Loop

_PIECE = 128 << 10
"""Bytes compressed in one turn of the loop: some milliseconds."""
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


class Compressor:
    """Compresses the numbers of one log that are handed to :meth:`add`."""

    def __init__(self, loop: Loop, directory: str) -> None:
        self._loop = loop
        self._directory = directory
        self._waiting: list[int] = []
        self._work: _Work | None = None

    def add(self, number: int) -> None:
        self._waiting.append(number)
        if self._work is None:
            self._loop.after(0, self._step)

    def _step(self) -> None:
        try:
            if self._work is None:
                if not self._waiting:
                    return
                self._work = _Work(self._directory, self._waiting.pop(0))
            if self._work.step():
                self._work = None
        except OSError:  # a full disk, or rotation was faster: the data stays as it is, or has gone
            if self._work is not None:
                self._work.abandon()
            self._work = None
        if self._work is not None or self._waiting:
            self._loop.after(0, self._step)

    def close(self) -> None:
        """Give up what is half done; the data is still there."""
        if self._work is not None:
            self._work.abandon()
        self._work = None
        self._waiting.clear()


class _Work:
    """One number on its way."""

    def __init__(self, directory: str, number: int) -> None:
        import zlib  # only where there is something to compress

        self._directory, self._number = directory, number
        self._source = os.open(data_path(directory, number), os.O_RDONLY | os.O_CLOEXEC)
        self._new = compressed_path(directory, number) + ".new"
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            self._target = os.open(self._new, flags, 0o640)
        except OSError:
            os.close(self._source)
            raise
        self._crc32: Any = zlib.crc32
        self._deflate = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._checksum = self._length = 0
        _write(self._target, _HEADER)

    def step(self) -> bool:
        """Compress one piece; True when all is done."""
        piece = os.read(self._source, _PIECE)
        if piece:
            self._checksum = self._crc32(piece, self._checksum)
            self._length += len(piece)
            _write(self._target, self._deflate.compress(piece))
            return False
        _write(self._target, self._deflate.flush() + struct.pack("<II", self._checksum, self._length & 0xFFFFFFFF))
        self._close()
        if os.path.exists(index_path(self._directory, self._number)):
            os.rename(self._new, compressed_path(self._directory, self._number))
            os.unlink(data_path(self._directory, self._number))
        else:
            os.unlink(self._new)
        return True

    def abandon(self) -> None:
        self._close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._new)

    def _close(self) -> None:
        for descriptor in (self._source, self._target):
            if descriptor >= 0:
                os.close(descriptor)
        self._source = self._target = -1


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
