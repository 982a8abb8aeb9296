"""Writing tar entries below a directory that nothing can leave: layers into overlayfs form, or plain trees.

Every path is walked component by component with directory descriptors and O_NOFOLLOW; a symbolic link in the middle of a
path is resolved by hand as if the directory were "/". Descriptors of recent directories are kept, so an archive in
directory order costs one openat per directory. The target must not be written by anyone else meanwhile.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from .. import bounds
from ..linux import entries, owners
from ..linux.overlay import OPAQUE
from ..linux.tree import remove_tree
from .space import Space
from .tarstream import (
    BLOCK_DEVICE,
    CHARACTER,
    DIRECTORY,
    FIFO,
    LINK,
    REGULAR,
    SYMLINK,
    Limits,
    TarError,
    TarReader,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from .tarstream import Entry

WHITEOUT_PREFIX = b".wh."
OPAQUE_MARKER = b".wh..wh..opq"

_KINDS = {CHARACTER: stat.S_IFCHR, BLOCK_DEVICE: stat.S_IFBLK, FIFO: stat.S_IFIFO}
_KEPT_DIRECTORIES = 128
_MAXIMUM_LINKS = 40
_MAXIMUM_ID = (1 << 32) - 2


def unpack(
    source: Iterable[bytes],
    target: Path | int,
    *,
    layer: bool,
    parents: Sequence[Path] = (),
    limits: Limits | None = None,
    accept: Callable[[Entry], bool] | None = None,
    through_links: bool = False,
) -> int:
    """Unpack an uncompressed tar stream into the existing directory ``target`` (a path of the engine's own, or the caller's
    descriptor of any kind); returns the bytes of regular files.

    With ``layer``, ``.wh.`` entries become overlayfs whiteouts and opaque marks; ``parents`` (top-most first) lend their
    attributes to directories that the archive uses but does not list. Entries that ``accept`` denies are left out. With
    ``through_links`` a directory entry leaves a link to a directory as it is (dpkg's rule), instead of replacing it.
    Raises TarError (400) for what it refuses.
    """
    reader = TarReader(source, limits)
    with _Tree(target, parents, through_links) as tree:
        for entry in reader:
            if accept is not None and not accept(entry):
                continue
            try:
                tree.apply(entry, reader, layer)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS):
                    raise
                name = entry.name[:300].decode("utf-8", "backslashreplace")
                raise TarError(f"cannot unpack {name!r}: {error.strerror or error}") from error
        tree.finish()
        return tree.size


def _components(name: bytes) -> tuple[bytes, ...]:
    parts = tuple(part for part in name.split(b"/") if part and part != b".")
    if b".." in parts:
        raise TarError(f"refused: {name[:300].decode('utf-8', 'backslashreplace')!r} leaves the root directory")
    if len(parts) > bounds.TREE_DEPTH:
        raise TarError(f"refused: {name[:300].decode('utf-8', 'backslashreplace')!r} is too deep")
    return parts


class _Tree:
    """The directory being filled: descriptors by canonical path, and times to set at the end."""

    def __init__(self, target: Path | int, parents: Sequence[Path], through_links: bool) -> None:
        self._through_links = through_links
        self._root = entries.open_directory(target, ".") if isinstance(target, int) else entries.open_root(target)
        self._open: dict[tuple[bytes, ...], int] = {}
        self._parents = parents
        self._times: dict[tuple[bytes, ...], int] = {}
        self._time = 0
        self._whiteouts: set[tuple[bytes, ...]] = set()
        self._space = Space(self._root)
        self.size = 0

    def __enter__(self) -> _Tree:
        return self

    def __exit__(self, *_: object) -> None:
        self._forget()
        os.close(self._root)

    def _forget(self) -> None:
        for fd in self._open.values():
            os.close(fd)
        self._open.clear()

    # walking -------------------------------------------------------------------------------------------------------
    def _enter(self, parent: int, key: tuple[bytes, ...], *, create: bool) -> None:
        """Open the last part of ``key`` in ``parent``, made when it is missing and that is asked for."""
        part = key[-1]
        try:
            self._keep(key, entries.open_directory(parent, part))
        except FileNotFoundError:
            if not create:
                raise
            os.mkdir(part, 0o755, dir_fd=parent)
            self._keep(key, entries.open_directory(parent, part))
            os.fchmod(self._open[key], 0o755)
            # Not the present time: equal archives shall give equal trees.
            self._times[key] = self._time
            self._adopt(key)

    def _directory(self, path: tuple[bytes, ...], *, create: bool) -> tuple[int, tuple[bytes, ...]]:
        """Descriptor and canonical path of a directory; makes missing ones when told to."""
        if not path:
            return self._root, path
        fd = self._open.get(path)
        if fd is not None:
            return fd, path
        real: list[bytes] = []
        todo = list(reversed(path))
        links = 0
        while todo:
            part = todo.pop()
            if part == b"..":
                if real:
                    real.pop()
                continue
            parent = self._opened(tuple(real))
            real.append(part)
            if len(real) > bounds.TREE_DEPTH:
                raise TarError(f"refused: {b'/'.join(path)[:300].decode('utf-8', 'backslashreplace')!r} is too deep")
            key = tuple(real)
            if key in self._open:
                continue
            try:
                self._enter(parent, key, create=create)
            except OSError as error:
                if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                    raise
                mode = os.lstat(part, dir_fd=parent).st_mode
                links += 1
                if links > _MAXIMUM_LINKS or not (create or stat.S_ISLNK(mode)):
                    raise
                if not stat.S_ISLNK(mode):
                    if not stat.S_ISDIR(mode):  # else a running container has just put it there
                        self._remove(parent, key)
                    todo.append(real.pop())
                    continue
                real.pop()
                link = os.readlink(part, dir_fd=parent)
                if link.startswith(b"/"):
                    real.clear()
                todo.extend(p for p in reversed(link.split(b"/")) if p and p != b".")
        key = tuple(real)
        return self._opened(key), key

    def _opened(self, key: tuple[bytes, ...]) -> int:
        """The descriptor of a canonical path, reopened from the root when it was dropped from the cache."""
        if not key:
            return self._root
        fd = self._open.get(key)
        if fd is None:
            fd = entries.open_directory(self._opened(key[:-1]), key[-1])
            self._keep(key, fd)
        return fd

    def _keep(self, key: tuple[bytes, ...], fd: int) -> None:
        if len(self._open) >= _KEPT_DIRECTORIES:
            kept = {key[:depth] for depth in range(1, len(key))}
            for other in [k for k in self._open if k not in kept]:
                os.close(self._open.pop(other))
        self._open[key] = fd

    def _adopt(self, key: tuple[bytes, ...]) -> None:
        """Give a directory that the archive does not list the attributes it has in the layers below."""
        for parent in self._parents:
            fd = entries.open_root(parent)
            try:
                for part in key:
                    below = entries.open_directory(fd, part)
                    os.close(fd)
                    fd = below
                status = os.fstat(fd)
                own = self._open[key]
                owners.give(own, status.st_uid, status.st_gid)
                for name in os.listxattr(fd):
                    if is_portable(name):
                        os.setxattr(own, name, os.getxattr(fd, name))
                os.fchmod(own, stat.S_IMODE(status.st_mode))
                self._times[key] = status.st_mtime_ns
                return
            except OSError:
                continue  # not there, or no directory there: the next layer decides
            finally:
                os.close(fd)

    # entries -------------------------------------------------------------------------------------------------------
    def apply(self, entry: Entry, reader: TarReader, layer: bool) -> None:
        if not 0 <= entry.uid <= _MAXIMUM_ID or not 0 <= entry.gid <= _MAXIMUM_ID:
            raise TarError(f"refused: owner {entry.uid}:{entry.gid} is out of range")
        parts = _components(entry.name)
        self._time = entry.mtime
        if not self._through_links:  # the root of a container is not changed by what is copied somewhere below it
            self._times.setdefault((), entry.mtime)
        if not parts:
            if entry.type == DIRECTORY:
                self._attributes(self._root, entry)
                self._times[()] = entry.mtime
            return
        parent, above = self._directory(parts[:-1], create=True)
        name = parts[-1]
        if layer and name.startswith(WHITEOUT_PREFIX):
            self._whiteout(parent, above, name, entry)
            return
        key = (*above, name)
        if entry.type == REGULAR:
            self._file(parent, key, entry, reader)
        elif entry.type == DIRECTORY:
            self._make_directory(parent, key, entry)
        elif entry.type == SYMLINK:
            self._replacing(parent, key, lambda: os.symlink(entry.link, name, dir_fd=parent))
            self._path_attributes(parent, name, entry)
            self.size += len(entry.link)  # as Docker counts
        elif entry.type == LINK:
            self._hard_link(parent, key, entry)
        elif entry.type in _KINDS:
            kind = _KINDS[entry.type]
            device = os.makedev(entry.major & 0xFFF, entry.minor & 0xFFFFF)
            self._replacing(parent, key, lambda: os.mknod(name, kind | 0o600, device, dir_fd=parent))
            self._path_attributes(parent, name, entry)
        else:
            raise TarError(f"unhandled tar entry type {entry.type!r}")

    def _file(self, parent: int, key: tuple[bytes, ...], entry: Entry, reader: TarReader) -> None:
        self._space.take(key[-1], entry.size if entry.sparse is None else sum(length for _, length in entry.sparse))
        try:
            fd = entries.create_file(parent, key[-1])
        except FileExistsError:
            self._remove(parent, key)
            fd = entries.create_file(parent, key[-1])
        try:
            if entry.sparse is None:
                reader.payload(lambda piece: _write(fd, piece))
            else:
                _write_sparse(fd, entry, reader)
            self._attributes(fd, entry)
            entries.set_times(fd, entry.mtime)
        finally:
            os.close(fd)
        self.size += entry.size

    def _make_directory(self, parent: int, key: tuple[bytes, ...], entry: Entry) -> None:
        name = key[-1]
        hidden = key in self._whiteouts
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:
            mode = os.lstat(name, dir_fd=parent).st_mode
            if self._through_links and stat.S_ISLNK(mode):
                self._directory(key, create=False)
                return
            if not stat.S_ISDIR(mode):
                self._remove(parent, key)
                os.mkdir(name, 0o700, dir_fd=parent)
        fd = self._opened(key)
        self._attributes(fd, entry)
        if hidden:
            os.setxattr(fd, OPAQUE, b"y")
        self._times[key] = entry.mtime

    def _hard_link(self, parent: int, key: tuple[bytes, ...], entry: Entry) -> None:
        target = _components(entry.link)
        if not target:
            raise TarError("refused: a hard link to the root directory")
        # Duplicates, because looking up one directory may drop the other's descriptor from the cache.
        own = os.dup(parent)
        try:
            source, above = self._directory(target[:-1], create=False)
            if (*above, target[-1]) == key:
                return
            source = os.dup(source)
            try:
                self._replacing(
                    own,
                    key,
                    lambda: os.link(target[-1], key[-1], src_dir_fd=source, dst_dir_fd=own, follow_symlinks=False),
                )
            finally:
                os.close(source)
        finally:
            os.close(own)

    def _whiteout(self, parent: int, above: tuple[bytes, ...], name: bytes, entry: Entry) -> None:
        if name == OPAQUE_MARKER:
            os.setxattr(parent, OPAQUE, b"y")
            return
        if name.startswith(WHITEOUT_PREFIX * 2):
            return  # AUFS bookkeeping, which old images carry
        hidden = name[len(WHITEOUT_PREFIX) :]
        if hidden in (b"", b".", b".."):
            raise TarError(f"refused: invalid whiteout {name!r}")
        key = (*above, hidden)
        self._whiteouts.add(key)
        try:
            os.mknod(hidden, stat.S_IFCHR, 0, dir_fd=parent)
            # Its time is in the archive that is made of the tree, and so in the layer's digest.
            os.utime(hidden, ns=(entry.mtime, entry.mtime), dir_fd=parent, follow_symlinks=False)
        except FileExistsError:
            # The same layer brought it anew: a file hides what is below by itself, a directory must be opaque.
            if stat.S_ISDIR(os.lstat(hidden, dir_fd=parent).st_mode):
                os.setxattr(self._opened(key), OPAQUE, b"y")

    # attributes ----------------------------------------------------------------------------------------------------
    def _attributes(self, fd: int, entry: Entry) -> None:
        """Owner, extended attributes, mode; in this order, as chown clears set-id bits and capabilities."""
        owners.give(fd, entry.uid, entry.gid)
        for key, value in entry.xattrs.items():
            name = os.fsdecode(key)
            if is_portable(name):
                os.setxattr(fd, name, value)
        os.fchmod(fd, entry.mode & 0o7777)

    def _path_attributes(self, parent: int, name: bytes, entry: Entry) -> None:
        owners.give_entry(parent, name, entry.uid, entry.gid)
        if entry.type in _KINDS:
            entries.set_mode(parent, name, entry.mode & 0o7777, _KINDS[entry.type])
        os.utime(name, ns=(entry.mtime, entry.mtime), dir_fd=parent, follow_symlinks=False)

    def _replacing(self, parent: int, key: tuple[bytes, ...], make: Callable[[], None]) -> None:
        try:
            make()
        except FileExistsError:
            self._remove(parent, key)
            make()

    def _remove(self, parent: int, key: tuple[bytes, ...]) -> None:
        if stat.S_ISDIR(os.lstat(key[-1], dir_fd=parent).st_mode):
            depth = len(key)
            for other in [k for k in self._open if k[:depth] == key]:
                os.close(self._open.pop(other))
            for other in [k for k in self._times if k[:depth] == key]:
                del self._times[other]
            remove_tree(parent, key[-1])
        else:
            os.unlink(key[-1], dir_fd=parent)

    def finish(self) -> None:
        """Set the directories' times, which filling them changed."""
        for key, mtime in sorted(self._times.items()):
            entries.set_times(self._opened(key), mtime)


def is_portable(name: str) -> bool:
    """Which extended attributes belong to an image. Overlayfs' own marks must not come from outside; labels of security modules belong to the host."""
    if name.startswith(("trusted.overlay.", "user.overlay.", owners.ATTRIBUTE)):
        return False
    return not name.startswith("security.") or name == "security.capability"


def _write(fd: int, data: memoryview) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _write_sparse(fd: int, entry: Entry, reader: TarReader) -> None:
    os.ftruncate(fd, entry.size)
    for offset, length in entry.sparse or ():
        os.lseek(fd, offset, os.SEEK_SET)
        while length:
            data = reader.read(min(length, 1 << 20))
            if not data:
                raise TarError("archive/tar: damaged sparse map")
            _write(fd, memoryview(data))
            length -= len(data)
