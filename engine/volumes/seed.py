"""Copying an image's directory into a fresh volume, with owners, modes, times, links and extended attributes.

Everything is addressed by directory descriptor and name without following links, so a hostile image cannot lead the copy
out of its root or out of the volume.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from .. import bounds
from ..errors import InvalidParameter
from ..linux import entries, owners, paths, sparse
from ..linux.libc import KernelError
from ..linux.tree import empty

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK = 1 << 20


def copy_up(root_fd: int, destination: str, target: Path) -> None:
    """Fill ``target`` (empty) with what ``destination`` holds below ``root_fd``; nothing when it is no directory."""
    try:
        source = paths.open_in_root(root_fd, destination, os.O_RDONLY | os.O_DIRECTORY)
    except KernelError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return
        raise
    try:
        copy = entries.open_root(target)
        try:
            _Copy(copy).directory(source, copy, "")
        except BaseException:
            empty(copy)  # half of it would be taken for all of it the next time
            raise
        finally:
            os.close(copy)
    finally:
        os.close(source)


def copy_live(source: int, target: Path) -> None:
    """Fill ``target`` (empty, and nobody else's) with what the open directory ``source`` holds, which others may change
    meanwhile: what goes away before its turn is left out."""
    copy = entries.open_root(target)
    try:
        _Copy(copy, live=True).directory(source, copy, "")
    finally:
        os.close(copy)


class _Copy:
    """One copy: remembers inodes with several names, so that they stay one file.

    A neighbour that has the volume already may exchange what was copied a moment ago: a name leads to it only as long as
    the inode is still the same.
    """

    def __init__(self, root: int, *, live: bool = False) -> None:
        self._root = root
        self._live = live
        self._links: dict[tuple[int, int], tuple[str, tuple[int, int]]] = {}

    def directory(self, source: int, target: int, where: str) -> None:
        if where.count("/") > bounds.TREE_DEPTH:
            raise InvalidParameter("a directory tree is too deep to be copied")
        for name in sorted(os.listdir(source)):
            try:
                self._entry(source, target, name, where)
            except FileNotFoundError:
                if not self._live:
                    raise
        _copy_attributes(source, target)

    def _entry(self, source: int, target: int, name: str, where: str) -> None:
        info = os.stat(name, dir_fd=source, follow_symlinks=False)
        path = f"{where}{name}"
        if stat.S_ISDIR(info.st_mode):
            inner = entries.open_directory(source, name)
            try:
                copy = entries.make_directory(target, name)
                try:
                    self.directory(inner, copy, path + "/")
                finally:
                    os.close(copy)
            finally:
                os.close(inner)
            return
        first = self._links.get((info.st_dev, info.st_ino))
        if first is not None:
            self._link(*first, target, name)
            return
        _copy_entry(source, target, name, info)
        if info.st_nlink > 1:
            made = os.stat(name, dir_fd=target, follow_symlinks=False)
            self._links[info.st_dev, info.st_ino] = path, (made.st_dev, made.st_ino)

    def _link(self, path: str, inode: tuple[int, int], target: int, name: str) -> None:
        fd = paths.open_in_root(self._root, path, os.O_PATH | os.O_NOFOLLOW, symlinks=False)
        try:
            info = os.fstat(fd)
            if (info.st_dev, info.st_ino) != inode:
                raise KernelError(errno.ELOOP, "link", path, "exchanged while it was copied")
            entries.link(fd, target, name)
        finally:
            os.close(fd)


def _copy_entry(source: int, target: int, name: str, info: os.stat_result) -> None:
    kind = stat.S_IFMT(info.st_mode)
    if kind == stat.S_IFREG:
        original = entries.open_regular(source, name)
        if original is None:
            raise KernelError(errno.ELOOP, "open", name, "exchanged while it was copied")
        try:
            copy = entries.create_file(target, name)
            try:
                _copy_data(original, copy)
                _copy_attributes(original, copy)
            finally:
                os.close(copy)
        finally:
            os.close(original)
        return
    if kind == stat.S_IFLNK:
        link = entries.read_link(source, name)
        if link is None:
            raise KernelError(errno.ELOOP, "readlink", name, "exchanged while it was copied")
        os.symlink(os.fsdecode(link), name, dir_fd=target)
    else:
        os.mknod(name, kind | 0o600, info.st_rdev, dir_fd=target)
    owners.give_entry(target, name, info.st_uid, info.st_gid)
    if kind != stat.S_IFLNK:
        entries.set_mode(target, name, stat.S_IMODE(info.st_mode), kind)
    os.utime(name, ns=(info.st_atime_ns, info.st_mtime_ns), dir_fd=target, follow_symlinks=False)


def _copy_data(source: int, target: int) -> None:
    """The content of an open file; holes stay holes."""
    size = os.fstat(source).st_size
    os.ftruncate(target, size)
    for offset, length in sparse.extents(source, size):
        os.lseek(target, offset, os.SEEK_SET)
        left = length
        while left and (sent := os.sendfile(target, source, offset + length - left, min(left, _CHUNK))):
            left -= sent


def _copy_attributes(source: int, target: int) -> None:
    entries.copy_attributes(source, target)
    info = os.fstat(source)
    entries.set_times(target, info.st_mtime_ns, info.st_atime_ns)
