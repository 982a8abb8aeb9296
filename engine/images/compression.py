"""Compressed streams by their first bytes: gzip, zstd, bzip2, xz or none. Reading for layers, writing gzip and zstd.

Everything streams in chunks, so memory stays flat; the C decompressors drop the interpreter's lock, so a chunk may be
inflated on one thread while another writes.
"""

from __future__ import annotations

import bz2
import itertools
import lzma
import zlib
from typing import IO, TYPE_CHECKING, Protocol, cast

import zstandard

from ..errors import InvalidParameter
from .chunks import Chunks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CHUNK = 1 << 18
"""Bytes per read of a source, and the unit of work between threads."""

_OUTPUT = CHUNK * 4
_MAX_WINDOW = 1 << 27
_XZ_MEMORY = 1 << 28


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def kind(head: bytes) -> str:
    """``gzip``, ``zstd``, ``bzip2``, ``xz`` or "" (not compressed), by magic number."""
    if head.startswith(b"\x1f\x8b\x08"):
        return "gzip"
    if head.startswith(b"\x28\xb5\x2f\xfd") or (head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F):
        return "zstd"
    if head.startswith(b"BZh"):
        return "bzip2"
    if head.startswith(b"\xfd7zXZ\x00"):
        return "xz"
    return ""


def chunks(stream: Readable, size: int = CHUNK) -> Iterator[bytes]:
    """A stream as chunks until it ends."""
    while data := stream.read(size):
        yield data


def decompress(source: Iterable[bytes]) -> Iterator[bytes]:
    """The content of a stream of any known compression, members concatenated. Raises InvalidParameter when damaged.

    Chunks of output are bounded, never the whole stream.
    """
    iterator = iter(source)
    head = b""
    while len(head) < 8 and (data := next(iterator, b"")):
        head += data
    name = kind(head)
    if not name:
        if head:
            yield head
        yield from iterator
        return
    try:
        if name == "gzip":
            yield from _gzip(head, iterator)
        elif name == "zstd":
            yield from _zstd(head, iterator)
        else:
            yield from _members(name, head, iterator)
    except (zlib.error, lzma.LZMAError, zstandard.ZstdError, OSError, EOFError, ValueError) as error:
        raise InvalidParameter(f"damaged {name} stream: {error}") from error


# Each decoder below gives at most _OUTPUT bytes a step: a chunk of compressed zeros would otherwise inflate a
# thousandfold (zstd: thirty thousandfold) in one piece of memory. Zeros between or after members are padding.


def _gzip(data: bytes, source: Iterator[bytes]) -> Iterator[bytes]:
    while data := data.lstrip(b"\0") or next(source, b""):
        if not data.strip(b"\0"):
            continue
        decoder = zlib.decompressobj(wbits=31)
        while not decoder.eof:
            output = decoder.decompress(data, _OUTPUT)
            if output:
                yield output
            data = decoder.unconsumed_tail
            if not data and not decoder.eof and len(output) < _OUTPUT and not (data := next(source, b"")):
                raise EOFError("it ends too early")
        data = decoder.unused_data


def _zstd(data: bytes, source: Iterator[bytes]) -> Iterator[bytes]:
    # A frame that ends too early is not told apart here: the tar's early end or the digest shows it.
    decoder = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
    with decoder.stream_reader(
        cast("IO[bytes]", Chunks(itertools.chain((data,), source))), read_size=CHUNK, read_across_frames=True
    ) as reader:
        while output := reader.read(_OUTPUT):
            yield output


def _members(name: str, data: bytes, source: Iterator[bytes]) -> Iterator[bytes]:
    while data := data.lstrip(b"\0") or next(source, b""):
        if not data.strip(b"\0"):
            continue
        decoder = (
            bz2.BZ2Decompressor()
            if name == "bzip2"
            else lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
        )
        while not decoder.eof:
            output = decoder.decompress(data, _OUTPUT)
            if output:
                yield output
            data = b""
            if not decoder.eof and decoder.needs_input and not (data := next(source, b"")):
                raise EOFError("it ends too early")
        data = decoder.unused_data
