"""Writing tar archives from trees: the canonical form of a layer, and exports of merged views.

Canonical means that equal trees give equal bytes, so a diff ID can be computed again at any time: depth first, names
sorted by bytes, numeric owners, whole seconds, PAX records (sorted) only where ustar cannot say it, no atime or ctime.
Overlayfs whiteouts become ``.wh.`` entries. Files are read through directory descriptors without following links, so a
tree that a container still writes cannot lead outside.
"""

from __future__ import annotations

import errno
import os
import stat
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from .. import bounds
from ..linux import entries, idmap, overlay, owners, sparse, userns
from .tarstream import BLOCK, TarError
from .unpack import OPAQUE_MARKER, WHITEOUT_PREFIX, is_portable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_BUFFER = 1 << 20
_READ = 1 << 18
_RECORD = 20 * BLOCK
_SPARSE = b"GNUSparseFile.0/file"
_MOVED = (overlay.REDIRECT, overlay.METACOPY)


def pack(
    tree: Path | int,
    write: Callable[[bytes | bytearray], object],
    *,
    layer: bool,
    prefix: bytes = b"",
    clamp: int | None = None,
    top: bool = True,
    exact: bool = False,
) -> int:
    """Send the tar of a directory (a path of the engine's own, or the caller's descriptor) to ``write`` in pieces of about a
    megabyte; returns the bytes of regular files and links.

    With ``layer``, overlayfs marks are translated. ``prefix`` goes before each name (with its slash). ``clamp`` (seconds)
    is an upper bound for times, as SOURCE_DATE_EPOCH asks. ``top``: with an entry for the directory itself. ``exact``: times to
    the nanosecond, and holes as holes (PAX and GNU's sparse format 1.0).
    """
    packer = _Packer(write, layer, clamp, exact=exact)
    fd = entries.open_directory(tree, ".") if isinstance(tree, int) else entries.open_root(tree)
    try:
        if top:
            packer.directory(fd, os.fstat(fd), prefix or b"./")
        packer.below(fd, prefix)
    finally:
        os.close(fd)
    packer.finish()
    return packer.size


def pack_entry(
    parent_fd: int,
    name: str,
    path: bytes,
    write: Callable[[bytes | bytearray], object],
    *,
    apart: frozenset[int] = frozenset(),
    ids: int = 0,
) -> None:
    """Send the tar of one directory entry, whatever it is and with all below it; ``path`` is its name in the archive.

    ``ids`` is where those begin here that are the archive's from 0 on. A directory below it on which one of the devices ``apart`` is mounted (stat's st_dev) is told as an empty one.
    """
    packer = _Packer(write, False, None, apart, ids=ids)
    packer.entry(parent_fd, os.fsencode(name), path)
    packer.finish()


def clamp_times(tree: Path, limit: int) -> None:
    """Set the modification times above ``limit`` (seconds) in a tree to it, so that its archive stays the same."""
    nanoseconds = limit * 1_000_000_000

    def visit(directory: int) -> None:
        with os.scandir(directory) as found:
            items = [(entry.name, entry.stat(follow_symlinks=False)) for entry in found]
        for name, status in items:
            if stat.S_ISDIR(status.st_mode):
                below = entries.open_directory(directory, name)
                try:
                    visit(below)
                finally:
                    os.close(below)
            elif status.st_mtime_ns > nanoseconds:
                os.utime(name, ns=(nanoseconds, nanoseconds), dir_fd=directory, follow_symlinks=False)
        if os.fstat(directory).st_mtime_ns > nanoseconds:
            entries.set_times(directory, nanoseconds)

    fd = entries.open_root(tree)
    try:
        visit(fd)
    finally:
        os.close(fd)


class _About(NamedTuple):
    """``owned`` is by whom, as it was remembered, where no other can be given (linux/owners.py); ``more`` are further PAX
    records."""

    xattrs: Mapping[str, bytes] = MappingProxyType({})
    owned: tuple[int, int] | None = None
    more: Mapping[bytes, bytes] = MappingProxyType({})


class _Fields(NamedTuple):
    """What a header says beyond its name, mode, size and type. ``names`` are the owner's, padded."""

    uid: int = 0
    gid: int = 0
    mtime: int = 0
    link: bytes = b""
    device: int = 0
    names: bytes = bytes(64)


_NOTHING = _About()
_PLAIN = _Fields()


class _Packer:
    def __init__(
        self,
        write: Callable[[bytes | bytearray], object],
        layer: bool,
        clamp: int | None,
        apart: frozenset[int] = frozenset(),
        exact: bool = False,
        ids: int = 0,
    ) -> None:
        self._write = write
        self._ids = range(ids, ids + idmap.IDS) if ids else range(0)
        self._apart = apart
        self._exact = exact
        self._layer = layer
        self._clamp = clamp
        self._buffer = bytearray()
        self._written = 0
        self._links: dict[tuple[int, int], bytes] = {}
        self.size = 0

    def _flush(self) -> None:
        self._write(self._buffer)
        self._written += len(self._buffer)
        self._buffer = bytearray()

    def finish(self) -> None:
        self._buffer += bytes(2 * BLOCK)
        self._buffer += bytes(-(self._written + len(self._buffer)) % _RECORD)
        self._flush()

    def directory(self, fd: int, status: os.stat_result, name: bytes) -> None:
        xattrs = _xattrs(fd)
        opaque = xattrs.pop(overlay.OPAQUE, None)
        owner = owners.remembered(fd) if userns.has_one_id() else None
        self._header(name, status, b"5", about=_About(_portable(xattrs), owner))
        if self._layer:
            if any(mark in xattrs for mark in _MOVED):
                raise TarError("a layer holds redirected directories: mount its overlay with redirect_dir=off")
            if opaque == b"y":
                base = b"" if name == b"./" else name
                self._header(base + OPAQUE_MARKER, status, b"0", mode=0)

    def below(self, fd: int, prefix: bytes) -> None:
        """Everything in an open directory whose name so far is ``prefix``."""
        if prefix.count(b"/") > bounds.TREE_DEPTH:
            raise TarError("a directory tree is too deep for an archive")
        with os.scandir(fd) as found:
            names = sorted(os.fsencode(entry.name) for entry in found)
        device = os.fstat(fd).st_dev
        for name in names:
            try:
                status = os.lstat(name, dir_fd=fd)
            except FileNotFoundError:
                continue  # a live tree: gone meanwhile
            if status.st_dev in self._apart and status.st_dev != device:
                self._header(prefix + name + b"/", status, b"5")
                continue
            self._entry(fd, name, prefix + name, status)
            if len(self._buffer) >= _BUFFER:
                self._flush()

    def entry(self, parent: int, name: bytes, path: bytes) -> None:
        """One member of an open directory."""
        self._entry(parent, name, path, os.lstat(name, dir_fd=parent))

    def _entry(self, parent: int, name: bytes, path: bytes, status: os.stat_result) -> None:
        mode = status.st_mode
        if stat.S_ISREG(mode):
            if not self._linked(path, status):
                self._file(parent, name, path, status)
        elif stat.S_ISDIR(mode):
            try:
                fd = entries.open_directory(parent, name)
            except (FileNotFoundError, NotADirectoryError):  # a live tree: exchanged meanwhile
                return
            try:
                self.directory(fd, status, path + b"/")
                self.below(fd, path + b"/")
            finally:
                os.close(fd)
        elif stat.S_ISLNK(mode):
            if not self._linked(path, status):
                link = entries.read_link(parent, name)
                if link is not None:  # else a live tree: exchanged meanwhile
                    self.size += len(link)
                    self._header(path, status, b"2", link=link)
        elif stat.S_ISCHR(mode):
            if self._layer and status.st_rdev == 0:
                head, slash, base = path.rpartition(b"/")
                self._header(head + slash + WHITEOUT_PREFIX + base, status, b"0", mode=0)
            elif not self._linked(path, status):
                self._header(path, status, b"3")
        elif stat.S_ISBLK(mode):
            if not self._linked(path, status):
                self._header(path, status, b"4")
        elif stat.S_ISFIFO(mode) and not self._linked(path, status):
            self._header(path, status, b"6")
        # Sockets have no form in tar; Docker leaves them out as well.

    def _linked(self, path: bytes, status: os.stat_result) -> bool:
        if status.st_nlink < 2:
            return False
        first = self._links.setdefault((status.st_dev, status.st_ino), path)
        if first is path:
            return False
        self._header(path, status, b"1", link=first)
        return True

    def _file(self, parent: int, name: bytes, path: bytes, status: os.stat_result) -> None:
        try:
            fd = entries.open_regular(parent, name)
        except FileNotFoundError:
            return
        if fd is None:
            return
        try:
            now = os.fstat(fd)
            size = now.st_size
            owner = owners.remembered(fd) if userns.has_one_id() else None
            xattrs = _portable(_xattrs(fd))
            if self._ids and (capabilities := xattrs.get(_CAPABILITIES)):
                xattrs[_CAPABILITIES] = idmap.capabilities_inside(capabilities, self._ids.start)
            self.size += size
            if self._layer and self.size > bounds.TAR_CONTENT:
                raise TarError("a layer's files are larger than any archive that is taken back")
            extents = _extents(fd, now) if self._exact and sparse.has_holes(now) else None
            if extents is None:
                self._header(path, now, b"0", size=size, about=_About(xattrs, owner))
                self._content(fd, size)
                return
            table, stored = _sparse_map(extents), sum(length for _, length in extents)
            self._header(
                _SPARSE,  # short and ASCII: a path record beside GNU.sparse.name would win in some readers
                now,
                b"0",
                size=len(table) + stored,
                about=_About(xattrs, owner, _sparse_records(path, size)),
            )
            self._buffer += table
            for offset, length in extents:
                os.lseek(fd, offset, os.SEEK_SET)
                self._content(fd, length, padded=False)
            self._buffer += padding(stored)
        finally:
            os.close(fd)

    def _content(self, fd: int, size: int, *, padded: bool = True) -> None:
        """The next ``size`` bytes of a file."""
        buffer = self._buffer
        left = size
        while left:
            data = os.read(fd, left if left < _READ else _READ)
            if not data:
                data = bytes(min(left, _READ))  # a live file was cut: keep the archive well formed
            buffer += data
            left -= len(data)
            if len(buffer) >= _BUFFER:
                self._flush()
                buffer = self._buffer
        if padded and size % BLOCK:
            buffer += bytes(-size % BLOCK)

    def _header(
        self,
        name: bytes,
        status: os.stat_result,
        type: bytes,
        *,
        size: int = 0,
        link: bytes = b"",
        mode: int | None = None,
        about: _About = _NOTHING,
    ) -> None:
        mtime = status.st_mtime_ns // 1_000_000_000
        if self._clamp is not None and mtime > self._clamp:
            mtime = self._clamp
        permissions = stat.S_IMODE(status.st_mode) if mode is None else mode
        device = status.st_rdev if type in b"34" else 0
        records: dict[bytes, bytes] = dict(about.more)
        if len(name) > 100 or not name.isascii():
            records[b"path"] = name
        if len(link) > 100 or not link.isascii():
            records[b"linkpath"] = link
        uid, gid = about.owned or (status.st_uid, status.st_gid)
        uid, gid = seen = tuple(one - self._ids.start if one in self._ids else one for one in (uid, gid))
        if uid > 0o7777777:
            records[b"uid"] = b"%d" % uid
            uid = 0
        if gid > 0o7777777:
            records[b"gid"] = b"%d" % gid
            gid = 0
        stored = size
        if size > 0o77777777777:
            records[b"size"] = b"%d" % size
            stored = 0
        if not 0 <= mtime <= 0o77777777777:
            records[b"mtime"] = b"%d" % mtime
            mtime = 0
        if self._exact and status.st_mtime_ns % 1_000_000_000:
            records[b"mtime"] = _seconds(status.st_mtime_ns)
        for key, value in about.xattrs.items():
            records[b"SCHILY.xattr." + os.fsencode(key)] = value
        if records:
            body = b"".join(_record(key, records[key]) for key in sorted(records))
            base = name.rstrip(b"/").rpartition(b"/")[2][:80]
            self._buffer += _block(b"PaxHeaders.0/" + base, 0o644, len(body), b"x")
            self._buffer += body
            self._buffer += bytes(-len(body) % BLOCK)
        names = bytes(64)
        if not self._layer:
            # An archive for people names the owner that has a name everywhere; a layer's bytes depend on no name.
            names = b"".join((b"" if number else b"root").ljust(32, b"\0") for number in seen)
        fields = _Fields(uid, gid, mtime, link[:100], device, names)
        self._buffer += _block(name[:100], permissions, stored, type, fields)


def header(name: bytes, mode: int, size: int, type: bytes) -> bytes:
    """One plain header for generated archives: root's, without a time; a size above 8 GiB becomes a PAX record."""
    if size <= 0o77777777777:
        return _block(name, mode, size, type)
    body = _record(b"size", b"%d" % size)
    extended = _block(b"PaxHeaders.0/" + name[:80], 0o644, len(body), b"x")
    return extended + body + padding(len(body)) + _block(name, mode, 0, type)


def padding(size: int) -> bytes:
    """The zeros after ``size`` bytes of content."""
    return bytes(-size % BLOCK)


def _record(key: bytes, value: bytes) -> bytes:
    size = len(key) + len(value) + 3
    length = size + len(str(size))
    if len(str(length)) != len(str(size)):
        length = size + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _block(
    name: bytes,
    mode: int,
    size: int,
    type: bytes,
    fields: _Fields = _PLAIN,
) -> bytes:
    uid, gid, mtime, link, device, names = fields
    head = b"%s%07o\0%07o\0%07o\0%011o\0%011o\0" % (name.ljust(100, b"\0"), mode, uid, gid, size, mtime)
    tail = b"%s%sustar\00000%s%07o\0%07o\0%s" % (
        type,
        link.ljust(100, b"\0"),
        names,
        os.major(device),
        os.minor(device),
        bytes(167),
    )
    return b"%s%06o\0 %s" % (head, sum(head) + sum(tail) + 256, tail)


def _seconds(nanoseconds: int) -> bytes:
    """A time as PAX writes it: decimal seconds, the sign before the whole."""
    whole, part = divmod(abs(nanoseconds), 1_000_000_000)
    return b"%s%d.%09d" % (b"-" if nanoseconds < 0 else b"", whole, part)


def _extents(fd: int, status: os.stat_result) -> list[tuple[int, int]] | None:
    """Runs of data, with an empty one at the end where the file ends in a hole; None where there are too many to list."""
    found = list(islice(sparse.extents(fd, status.st_size), bounds.TAR_EXTENTS))
    os.lseek(fd, 0, os.SEEK_SET)
    if len(found) == bounds.TAR_EXTENTS:
        return None
    if not found or sum(found[-1]) < status.st_size:
        found.append((status.st_size, 0))
    return found


def _sparse_map(extents: list[tuple[int, int]]) -> bytes:
    text = b"%d\n" % len(extents) + b"".join(b"%d\n%d\n" % one for one in extents)
    return text + padding(len(text))


def _sparse_records(path: bytes, size: int) -> dict[bytes, bytes]:
    return {
        b"GNU.sparse.major": b"1",
        b"GNU.sparse.minor": b"0",
        b"GNU.sparse.name": path,
        b"GNU.sparse.realsize": b"%d" % size,
    }


_CAPABILITIES = "security.capability"


def _xattrs(fd: int) -> dict[str, bytes]:
    try:
        names = os.listxattr(fd)
    except OSError as error:
        if error.errno != errno.ENOTSUP:  # as of devpts and other file systems of the kernel's
            raise
        return {}
    return {name: os.getxattr(fd, name) for name in names} if names else {}


def _portable(xattrs: dict[str, bytes]) -> dict[str, bytes]:
    return {name: value for name, value in xattrs.items() if value and is_portable(name)}
