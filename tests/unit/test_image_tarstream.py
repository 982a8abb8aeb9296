"""The tar reader against Python's tarfile and GNU tar, and against archives that lie."""

from __future__ import annotations

import contextlib
import io
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pycompose.engine.images.pack import header
from pycompose.engine.images.tarstream import DIRECTORY, REGULAR, Entry, Limits, TarError, TarReader

if TYPE_CHECKING:
    from pathlib import Path


def entries(data: bytes, chunk: int = 1000, limits: Limits | None = None) -> list[tuple[Entry, bytes]]:
    reader = TarReader((data[i : i + chunk] for i in range(0, len(data), chunk)), limits)
    found = []
    for entry in reader:
        content = bytearray()
        reader.payload(content.extend)
        found.append((entry, bytes(content)))
    return found


def archive(*members: tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def member(name: str, **values: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in values.items():
        setattr(info, key, value)
    return info


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("chunk", [1, 511, 512, 10_000])
def test_plain_members(format: int, chunk: int) -> None:
    data = archive(
        (member("dir", type=tarfile.DIRTYPE, mode=0o1777), b""),
        (member("dir/file", mode=0o4755, uid=1000, gid=100, mtime=1_700_000_000), b"content" * 100),
        (member("dir/link", type=tarfile.SYMTYPE, linkname="../x"), b""),
        (member("dir/hard", type=tarfile.LNKTYPE, linkname="dir/file"), b""),
        (member("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3), b""),
        format=format,
    )
    found = entries(data, chunk)
    assert [(e.name.rstrip(b"/"), e.type) for e, _ in found] == [
        (b"dir", DIRECTORY),
        (b"dir/file", REGULAR),
        (b"dir/link", b"2"),
        (b"dir/hard", b"1"),
        (b"null", b"3"),
    ]
    file, content = found[1]
    assert (file.mode, file.uid, file.gid, file.mtime) == (0o4755, 1000, 100, 1_700_000_000 * 10**9)
    assert content == b"content" * 100
    assert found[2][0].link == b"../x"
    assert (found[4][0].major, found[4][0].minor) == (1, 3)


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_large_numbers(format: int) -> None:
    name, link = "d/" * 120 + "file", "l/" * 150 + "x"
    data = archive(
        (member(name, uid=3_000_000_000, mtime=1_700_000_000), b"x"),
        (member("s", type=tarfile.SYMTYPE, linkname=link), b""),
        format=format,
    )
    found = entries(data)
    assert found[0][0].name == name.encode()
    assert found[0][0].uid == 3_000_000_000
    assert found[1][0].link == link.encode()


def test_extended_attributes_and_fractions() -> None:
    info = member("f")
    info.pax_headers = {"SCHILY.xattr.user.a=b": "v=1\n2", "mtime": "1700000000.25", "comment": "x"}
    found = entries(archive((info, b"")))[0][0]
    assert found.mtime == 1_700_000_000_250_000_000
    info = member("f")
    info.pax_headers = {"SCHILY.xattr.user.k": "value\n", "mtime": "-1.5"}
    found = entries(archive((info, b"")))[0][0]
    assert found.xattrs == {b"user.k": b"value\n"}
    assert found.mtime == -1_500_000_000


def test_global_headers_are_left_alone() -> None:
    """As by Go's reader, and so by Docker."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"uid": "42"}) as tar:
        tar.addfile(member("a"))
    assert entries(out.getvalue())[0][0].uid == 0


@pytest.mark.parametrize(
    "options",
    [
        "--format=gnu",
        "--format=posix --sparse-version=0.0",
        "--format=posix --sparse-version=0.1",
        "--format=posix --sparse-version=1.0",
    ],
)
def test_sparse_files_of_gnu_tar(tmp_path: Path, options: str) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        for block in range(30):
            file.seek(block * 300_000)
            file.write(b"%04d" % block * 1024)
        file.truncate(10_000_000)
    data = subprocess.run(
        ["tar", "--sparse", *options.split(), "-C", str(tmp_path), "-cf", "-", "sparse"],
        capture_output=True,
        check=True,
    ).stdout
    assert len(data) < 400_000
    ((entry, content),) = entries(data)
    assert (entry.name, entry.size) == (b"sparse", 10_000_000)
    assert entry.sparse is not None
    rebuilt = bytearray(entry.size)
    position = 0
    for offset, length in entry.sparse:
        rebuilt[offset : offset + length] = content[position : position + length]
        position += length
    assert bytes(rebuilt) == (tmp_path / "sparse").read_bytes()


def test_truncation_is_an_error() -> None:
    data = archive((member("file"), b"x" * 5000))
    for size in (300, 512, 600, 5000):
        with pytest.raises(TarError, match="unexpected EOF"):
            entries(data[:size])
    assert entries(data[: 512 + 5120])  # without an end marker: as other readers, accepted


def test_wrong_checksum() -> None:
    data = bytearray(archive((member("file"), b"x")))
    data[0] ^= 1
    with pytest.raises(TarError, match="checksum"):
        entries(bytes(data))


def test_absurd_archives_are_refused() -> None:
    big = header(b"f", 0o644, 1 << 50, b"0")
    with pytest.raises(TarError, match="absurd size"):
        entries(big)
    many = archive(*((member(str(i)), b"") for i in range(20)))
    with pytest.raises(TarError, match="more than 10 entries"):
        entries(many, limits=Limits(entries=10))
    with pytest.raises(TarError, match="more than 100 bytes"):
        entries(archive((member("a"), b"x" * 90), (member("b"), b"x" * 90)), limits=Limits(total=100))
    with pytest.raises(TarError, match="name is too long"):
        entries(archive((member("n" * 5000), b"")))
    with pytest.raises(TarError, match="extended header of"):
        entries(header(b"x", 0o644, 1 << 30, b"x") + bytes(1024))
    with pytest.raises(TarError, match="too many extended headers"):
        entries((header(b"x", 0o644, 0, b"L")) * 100)


@pytest.mark.parametrize(
    "record", [b"5 a=b\n", b"999999 path=x\n", b"x path=y\n", b"11 size=-1\n", b"12 size=1e9\n", b"13 mtime=abc\n"]
)
def test_damaged_extended_headers(record: bytes) -> None:
    data = header(b"p", 0o644, len(record), b"x") + record + bytes(512 - len(record)) + header(b"f", 0o644, 0, b"0")
    with pytest.raises(TarError):
        entries(data + bytes(1024))


def test_sparse_maps_that_lie() -> None:
    def sparse(text: bytes) -> bytes:
        records = [b"GNU.sparse.major=1", b"GNU.sparse.minor=0", b"GNU.sparse.realsize=1000", b"GNU.sparse.name=f"]
        body = b"".join(b"%d %s\n" % (len(r) + 4, r) for r in records)
        content = text.ljust(512, b"\0") + b"x" * 512
        pax = header(b"p", 0o644, len(body), b"x") + body + bytes(-len(body) % 512)
        return pax + header(b"f", 0o644, len(content), b"0") + content + bytes(1024)

    assert entries(sparse(b"1\n0\n512\n"))[0][0].sparse == [(0, 512)]
    for text in (b"1\n900\n512\n", b"2\n100\n256\n50\n256\n", b"1\n0\n511\n", b"9999999\n", b"x\n", b"1" * 500):
        with pytest.raises(TarError):
            entries(sparse(text))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=2000), st.integers(0, 400), st.binary(min_size=1, max_size=20))
def test_damage_never_escapes(tail: bytes, at: int, damage: bytes) -> None:
    data = bytearray(archive((member("d/" * 60 + "file"), b"x" * 100), (member("g"), b"y")))
    data[at : at + len(damage)] = damage
    with contextlib.suppress(TarError):
        entries(bytes(data) + tail, limits=Limits(total=1 << 20, file=1 << 20))
