"""gzip on all cores: blocks deflated in parallel, each primed with the end of the one before, joined to one member.

The result is an ordinary single-member gzip stream (RFC 1952) and the same for the same input, whatever the number of
cores; the size differs from zlib's own by a few bytes a block.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BLOCK = 1 << 20
_WINDOW = 1 << 15
# Level 6 costs half as much time again for 0.7 % less.
_LEVEL = 5
# Deflate, no flags, no time, no extra flags, unknown system: nothing that could differ between machines.
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


def _deflate(data: bytes, dictionary: bytes, last: bool, level: int) -> bytes:
    arguments = (level, zlib.DEFLATED, -15, 8, zlib.Z_DEFAULT_STRATEGY)
    compressor = zlib.compressobj(*arguments, dictionary) if dictionary else zlib.compressobj(*arguments)
    return compressor.compress(data) + compressor.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)


def _blocks(source: Iterable[bytes]) -> Iterator[bytes]:
    buffer = bytearray()
    for data in source:
        buffer += data
        while len(buffer) >= _BLOCK:
            yield bytes(buffer[:_BLOCK])
            del buffer[:_BLOCK]
    yield bytes(buffer)


def compress(source: Iterable[bytes], level: int = _LEVEL) -> Iterator[bytes]:
    """The gzip form of the chunks, in pieces; at most two blocks a core are in memory."""
    cores = os.cpu_count() or 1
    checksum = size = 0
    dictionary = b""
    waiting: deque[Future[bytes]] = deque()
    yield _HEADER
    with ThreadPoolExecutor(cores, thread_name_prefix="gzip") as pool:
        previous: bytes | None = None
        for block in _blocks(source):
            if previous is not None:
                waiting.append(pool.submit(_deflate, previous, dictionary, False, level))
                dictionary = previous[-_WINDOW:]
            checksum = zlib.crc32(block, checksum)
            size += len(block)
            previous = block
            while len(waiting) > 2 * cores:
                yield waiting.popleft().result()
        waiting.append(pool.submit(_deflate, previous or b"", dictionary, True, level))
        while waiting:
            yield waiting.popleft().result()
    yield struct.pack("<II", checksum, size & 0xFFFFFFFF)
