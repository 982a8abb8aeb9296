"""Compressed streams: told apart by magic number, concatenated members, damage, and flat memory."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import os
import random
import zlib
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from pycompose.engine.errors import InvalidParameter
from pycompose.engine.images.compression import chunks, decompress, kind
from pycompose.engine.images.gzipwriter import compress

if TYPE_CHECKING:
    from collections.abc import Callable

CODECS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}
DATA = random.Random(1).randbytes(70_000) + b"a" * 900_000 + b"end"


def read(data: bytes, size: int = 4096) -> bytes:
    return b"".join(decompress(chunks(io.BytesIO(data), size)))


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("size", [7, 1 << 18])
def test_members_are_joined(name: str, size: int) -> None:
    packed = CODECS[name](DATA)
    assert kind(packed) == name
    assert read(packed, max(size, 7)) == DATA
    assert read(packed + packed, 1 << 12) == DATA * 2


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz"])
def test_trailing_zeros_are_padding(name: str) -> None:
    assert read(CODECS[name](DATA) + bytes(5000)) == DATA


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz"])
def test_early_end(name: str) -> None:
    with pytest.raises(InvalidParameter, match=f"damaged {name} stream"):
        read(CODECS[name](DATA)[:-30])


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz"])
def test_damage(name: str) -> None:
    packed = bytearray(CODECS[name](DATA))
    packed[len(packed) // 2] ^= 0xFF
    with pytest.raises(InvalidParameter, match=f"damaged {name} stream"):
        read(bytes(packed))


def test_uncompressed_passes() -> None:
    assert read(DATA) == DATA
    assert read(b"") == b""
    assert read(b"ab", 1) == b"ab"


@pytest.mark.parametrize("name", ["gzip", "zstd", "bzip2", "xz"])
def test_output_comes_in_bounded_pieces(name: str) -> None:
    packed = CODECS[name](bytes(64 << 20))
    assert max(map(len, decompress([packed]))) <= 1 << 20


@given(st.binary(max_size=200))
def test_junk_never_escapes(data: bytes) -> None:
    for magic in (b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"BZh9", b"\xfd7zXZ\x00"):
        with contextlib.suppress(InvalidParameter):
            read(magic + data)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.binary(max_size=3000), max_size=8), st.integers(0, 3))
def test_parallel_gzip_is_one_plain_member(pieces: list[bytes], extra: int) -> None:
    data = b"".join(pieces) + os.urandom(1000) * (extra * 1500)
    packed = b"".join(compress(iter([data[i : i + 70_000] for i in range(0, len(data), 70_000)])))
    decoder = zlib.decompressobj(wbits=31)
    assert decoder.decompress(packed) == data
    assert decoder.eof and not decoder.unused_data
    assert packed == b"".join(compress([data]))
