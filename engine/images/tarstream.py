"""Reading tar archives as a stream: ustar, PAX, GNU long names and all sparse forms, from hostile input.

Yields entries with their payload still in the stream; nothing touches a disk here. tarfile is not used: it costs several
times as much per entry, believes sizes, and has no safe filter on Debian's 3.11.2.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .. import bounds
from ..errors import InvalidParameter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

BLOCK = 512
_HEADER = struct.Struct("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12x")
_ZERO = bytes(BLOCK)

REGULAR, LINK, SYMLINK, CHARACTER, BLOCK_DEVICE, DIRECTORY, FIFO = b"0", b"1", b"2", b"3", b"4", b"5", b"6"
_REGULAR_TYPES = (b"0", b"\0", b"7", b"S")
_WITHOUT_PAYLOAD = (LINK, SYMLINK, CHARACTER, BLOCK_DEVICE, DIRECTORY, FIFO)
_XATTR = b"SCHILY.xattr."


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused as absurd. Sizes in bytes; raise them where images really are that large."""

    entries: int = bounds.TAR_ENTRIES
    total: int = bounds.TAR_CONTENT
    file: int = bounds.TAR_CONTENT
    name: int = bounds.TAR_NAME
    names: int = bounds.TAR_NAMES
    header: int = bounds.TAR_HEADERS
    sparse_extents: int = bounds.TAR_EXTENTS
    trailer: int = bounds.TAR_TRAILER
    marked: bool = False
    """Refuse an archive without its end marker: it was cut between two members."""


_TRUNCATED = "Error processing tar file(exit status 1): unexpected EOF"
"""In Docker's words."""


class TarError(InvalidParameter):
    """The archive is damaged, or asks for what no honest archive asks."""


@dataclass(slots=True)
class Entry:
    """One member. ``name`` is as written, ``size`` the length of the file's content, ``mtime`` in nanoseconds.

    ``sparse`` lists (offset, length) of the data when the file has holes; the payload then is those extents in turn.
    """

    name: bytes
    type: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    link: bytes
    major: int
    minor: int
    xattrs: dict[bytes, bytes] = field(default_factory=dict)
    sparse: list[tuple[int, int]] | None = None


class TarReader:
    """Iterate entries of a chunked stream; call ``payload`` (or not) before taking the next entry."""

    def __init__(self, source: Iterable[bytes], limits: Limits | None = None) -> None:
        self._source = iter(source)
        self._chunk = memoryview(b"")
        self._position = 0
        self._left = 0  # of the current payload
        self._padding = 0
        self._limits = limits or Limits()
        self._entries = self._names = 0
        self._total = 0
        self._headers = 0  # bytes of the current member's extended headers

    # bytes ---------------------------------------------------------------------------------------------------------
    def _more(self) -> bool:
        for data in self._source:
            if data:
                self._chunk = memoryview(data)
                self._position = 0
                return True
        return False

    def _take(self, size: int) -> bytes:
        """Exactly ``size`` bytes, or fewer only at the stream's end."""
        position = self._position
        end = position + size
        if end <= len(self._chunk):
            self._position = end
            return bytes(self._chunk[position:end])
        parts = []
        while size:
            if self._position == len(self._chunk) and not self._more():
                break
            part = self._chunk[self._position : self._position + size]
            self._position += len(part)
            size -= len(part)
            parts.append(bytes(part))
        return b"".join(parts)

    def _take_all(self, size: int, what: str) -> bytes:
        self._headers += size
        if self._headers > self._limits.header:
            raise TarError(f"archive/tar: {what} of {size} bytes")
        data = self._take(size + -size % BLOCK)
        if len(data) < size:
            raise TarError(_TRUNCATED)
        return data[:size]

    def payload(self, write: Callable[[memoryview], object]) -> None:
        """Hand the rest of the current entry's payload to ``write``, in pieces, without copying."""
        left = self._left
        while left:
            if self._position == len(self._chunk) and not self._more():
                raise TarError(_TRUNCATED)
            piece = self._chunk[self._position : self._position + left]
            self._position += len(piece)
            left -= len(piece)
            self._left = left
            write(piece)

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes of the current payload, b"" at its end."""
        data = self._take(min(size, self._left))
        if not data and self._left and size:
            raise TarError(_TRUNCATED)
        self._left -= len(data)
        return data

    def _skip(self) -> None:
        if self._left:
            self.payload(len)
        if self._padding:
            if len(self._take(self._padding)) < self._padding:
                raise TarError(_TRUNCATED)
            self._padding = 0

    def drain(self) -> None:
        """Read to the stream's end (what follows the end marker counts for the digest)."""
        left = self._limits.trailer
        self._position = len(self._chunk)
        for data in self._source:
            left -= len(data)
            if left < 0:
                raise TarError(f"archive/tar: more than {self._limits.trailer} bytes after its end")

    # entries -------------------------------------------------------------------------------------------------------
    def __iter__(self) -> Iterator[Entry]:
        while (entry := self._next()) is not None:
            yield entry

    def _next(self) -> Entry | None:
        self._skip()
        self._headers = 0
        found = self._header_blocks()
        if found is None:
            return None
        entry, block, records, pairs = found
        self._count()
        stored = _apply_pax(entry, records) if records else entry.size
        if entry.type in _WITHOUT_PAYLOAD:
            stored = 0
        self._bound_names(entry)
        if stored > self._limits.file:
            raise TarError(f"archive/tar: {_show(entry.name)}: absurd size {stored}")
        self._left = stored
        self._padding = -stored % BLOCK
        if entry.type == b"S":
            self._old_gnu_sparse(entry, block)
        elif records:
            self._pax_sparse(entry, records, pairs)
        if entry.type in _REGULAR_TYPES:
            entry.type = DIRECTORY if entry.name.endswith(b"/") and entry.type != b"S" else REGULAR
        if entry.sparse is not None:
            self._check_sparse(entry)
        self._total += max(stored, entry.size)
        if self._total > self._limits.total:
            raise TarError(f"archive/tar: more than {self._limits.total} bytes of content")
        return entry

    def _header_blocks(self) -> tuple[Entry, bytes, dict[bytes, bytes], list[tuple[int, int]]] | None:
        """The next entry with its own header block and what pax headers say of it; None at the end."""
        records: dict[bytes, bytes] = {}
        pairs: list[tuple[int, int]] = []
        long_name = long_link = None
        for _ in range(bounds.TAR_HEADERS_IN_A_ROW):
            block = self._take(BLOCK)
            if not block and self._limits.marked:
                raise TarError("archive/tar: the archive has no end: it was cut off, or is no tar archive")
            if not block or block == _ZERO:
                self.drain()
                return None
            if len(block) < BLOCK:
                raise TarError(_TRUNCATED)
            entry, prefix = _header(block)
            match entry.type:
                case b"x":
                    _pax(self._take_all(entry.size, "extended header"), records, pairs)
                case b"g":
                    # Read and left alone, as by Go: what it says of all members would pile up.
                    _pax(self._take_all(entry.size, "global header"), {}, [])
                case b"L":
                    long_name = self._take_all(entry.size, "long name").partition(b"\0")[0]
                case b"K":
                    long_link = self._take_all(entry.size, "long link").partition(b"\0")[0]
                case _:
                    short = prefix + b"/" + entry.name if prefix else entry.name
                    entry.name = short if long_name is None else long_name
                    entry.link = entry.link if long_link is None else long_link
                    return entry, block, records, pairs
        raise TarError("archive/tar: too many extended headers in a row")

    def _bound_names(self, entry: Entry) -> None:
        limits = self._limits
        if len(entry.name) > limits.name or len(entry.link) > limits.name:
            raise TarError("archive/tar: a name is too long")
        self._names += len(entry.name) + len(entry.link)
        if self._names > limits.names:
            raise TarError(f"archive/tar: more than {limits.names} bytes of names")

    def _count(self) -> None:
        self._entries += 1
        if self._entries > self._limits.entries:
            raise TarError(f"archive/tar: more than {self._limits.entries} entries")

    # sparse forms --------------------------------------------------------------------------------------------------
    def _old_gnu_sparse(self, entry: Entry, block: bytes) -> None:
        extents: list[tuple[int, int]] = []
        area, count, extended = block[386:482], 4, block[482]
        entry.size = _number(block[483:495], "size")
        while True:
            for index in range(count):
                item = area[index * 24 : index * 24 + 24]
                if item[0] == 0:
                    break
                extents.append((_number(item[:12], "offset"), _number(item[12:], "length")))
            if not extended:
                break
            if len(extents) > self._limits.sparse_extents:
                raise TarError("archive/tar: too many sparse extents")
            area = self._take(BLOCK)
            if len(area) < BLOCK:
                raise TarError(_TRUNCATED)
            count, extended = 21, area[504]
        entry.sparse = extents

    def _pax_sparse(self, entry: Entry, records: dict[bytes, bytes], pairs: list[tuple[int, int]]) -> None:
        version = (records.get(b"GNU.sparse.major"), records.get(b"GNU.sparse.minor"))
        size = records.get(b"GNU.sparse.realsize") or records.get(b"GNU.sparse.size")
        if version == (b"1", b"0"):
            entry.sparse = self._sparse_map()
        elif b"GNU.sparse.map" in records:
            numbers = [_decimal(item) for item in records[b"GNU.sparse.map"].split(b",")]
            entry.sparse = list(zip(numbers[::2], numbers[1::2], strict=False))
        elif pairs:
            entry.sparse = pairs
        if entry.sparse is not None:
            entry.size = _decimal(size or b"-1")

    def _sparse_map(self) -> list[tuple[int, int]]:
        """Format 1.0: decimal lines at the payload's beginning, padded to a block."""
        used = 0
        text = b""

        def line() -> int:
            nonlocal used, text
            while b"\n" not in text:
                if len(text) > 64 or self._left < BLOCK:
                    raise TarError("archive/tar: damaged sparse map")
                text += self.read(BLOCK)
                used += BLOCK
            head, _, text = text.partition(b"\n")
            return _decimal(head)

        count = line()
        if count > self._limits.sparse_extents:
            raise TarError("archive/tar: too many sparse extents")
        return [(line(), line()) for _ in range(count)]

    def _check_sparse(self, entry: Entry) -> None:
        if entry.size < 0 or entry.size > self._limits.file:
            raise TarError(f"archive/tar: {_show(entry.name)}: absurd size {entry.size}")
        end = total = 0
        for offset, length in entry.sparse or ():
            if offset < end or length < 0:
                raise TarError("archive/tar: damaged sparse map")
            end = offset + length
            total += length
        if end > entry.size or total != self._left:
            raise TarError("archive/tar: damaged sparse map")


def _show(name: bytes) -> str:
    return repr(name[:200].decode("utf-8", "backslashreplace"))


def _number(field: bytes, what: str) -> int:
    if field[0] & 0x80:
        value = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
        if field[0] & 0x40:
            value -= 1 << (8 * len(field) - 1)
        return value
    text = field.partition(b"\0")[0].strip()
    if not text:
        return 0
    try:
        return int(text, 8)
    except ValueError:
        raise TarError(f"archive/tar: invalid tar header: {what}") from None


def _decimal(text: bytes) -> int:
    if not text.isdigit() or len(text) > 20:
        raise TarError("archive/tar: invalid extended header: not a number")
    return int(text)


def _header(block: bytes) -> tuple[Entry, bytes]:
    name, mode, uid, gid, size, mtime, checksum, type, link, magic, _, _, major, minor, prefix = _HEADER.unpack(block)
    wanted = _number(checksum, "checksum")
    actual = sum(block) - sum(checksum) + 256
    if wanted != actual:
        signed = sum(b - 256 if b > 127 else b for b in block) - sum(checksum) + 256
        if wanted != signed:
            raise TarError("archive/tar: invalid tar header: wrong checksum")
    entry = Entry(
        name.partition(b"\0")[0],
        type,
        _number(mode, "mode"),
        _number(uid, "uid"),
        _number(gid, "gid"),
        _number(size, "size"),
        _possible(_number(mtime, "mtime") * 1_000_000_000),
        link.partition(b"\0")[0],
        _number(major, "device") if type in b"34" else 0,
        _number(minor, "device") if type in b"34" else 0,
    )
    if entry.size < 0:
        raise TarError("archive/tar: invalid tar header: negative size")
    ustar = magic.startswith(b"ustar\0")  # GNU's "ustar  " has other things where the prefix is
    return entry, prefix.partition(b"\0")[0] if ustar else b""


def _pax(data: bytes, records: dict[bytes, bytes], pairs: list[tuple[int, int]]) -> None:
    """Records are ``length key=value\\n``; values may hold anything, so only the length delimits them."""
    position, end = 0, len(data)
    offset: int | None = None
    while position < end and data[position]:
        space = data.find(b" ", position, position + 21)
        length = _decimal(data[position:space]) if space > 0 else 0
        record = data[space + 1 : position + length]
        if length < 5 or position + length > end or not record.endswith(b"\n") or b"=" not in record:
            raise TarError("archive/tar: invalid extended header")
        key, _, value = record[:-1].partition(b"=")
        if key == b"GNU.sparse.offset":
            offset = _decimal(value)
        elif key == b"GNU.sparse.numbytes" and offset is not None:
            pairs.append((offset, _decimal(value)))
        elif value:
            records[key] = value
        else:
            records.pop(key, None)
        position += length


def _apply_pax(entry: Entry, records: dict[bytes, bytes]) -> int:
    """Override the header's fields; returns the size stored in the archive."""
    stored = entry.size
    for key, value in records.items():
        if key == b"path":
            entry.name = value
        elif key == b"linkpath":
            entry.link = value
        elif key == b"size":
            stored = entry.size = _decimal(value)
        elif key == b"uid":
            entry.uid = _decimal(value)
        elif key == b"gid":
            entry.gid = _decimal(value)
        elif key == b"mtime":
            entry.mtime = _time(value)
        elif key.startswith(_XATTR):
            if b"\0" in key:
                raise TarError("archive/tar: an attribute's name holds a zero byte")
            entry.xattrs[key[len(_XATTR) :]] = value
    if b"GNU.sparse.name" in records:
        entry.name = records[b"GNU.sparse.name"]
    if b"\0" in entry.name or b"\0" in entry.link:
        raise TarError("archive/tar: a name holds a zero byte")
    return stored


def _time(text: bytes) -> int:
    whole, _, fraction = text.partition(b".")
    negative = whole.startswith(b"-")
    if not whole.lstrip(b"-").isdigit() or len(whole) > 20 or (fraction and not fraction.isdigit()):
        raise TarError("archive/tar: invalid extended header: mtime")
    nanoseconds = int(whole) * 1_000_000_000
    part = int((fraction[:9]).ljust(9, b"0")) if fraction else 0
    return _possible(nanoseconds - part if negative else nanoseconds + part)


def _possible(nanoseconds: int) -> int:
    """A time that the kernel can be told; what lies beyond becomes the epoch's beginning, as in Docker."""
    return nanoseconds if -(1 << 63) <= nanoseconds < 1 << 63 else 0
