"""Copying an image's directory into a fresh volume, with owners, modes, times, links and extended attributes.

Everything is addressed by directory descriptor and name without following links, so a hostile image cannot lead the copy
out of its root or out of the volume.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from ..linux import paths
from ..linux.libc import KernelError

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
        copy = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _Copy(copy).directory(source, copy, "")
        finally:
            os.close(copy)
    finally:
        os.close(source)


class _Copy:
    """One copy: remembers inodes with several names, so that they stay one file."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._links: dict[tuple[int, int], str] = {}

    def directory(self, source: int, target: int, where: str) -> None:
        with os.scandir(source) as entries:
            names = sorted(entry.name for entry in entries)
        for name in names:
            info = os.stat(name, dir_fd=source, follow_symlinks=False)
            path = f"{where}{name}"
            if stat.S_ISDIR(info.st_mode):
                os.mkdir(name, 0o700, dir_fd=target)
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                inner, copy = os.open(name, flags, dir_fd=source), os.open(name, flags, dir_fd=target)
                try:
                    self.directory(inner, copy, path + "/")
                finally:
                    os.close(inner)
                    os.close(copy)
                continue
            first = self._links.setdefault((info.st_dev, info.st_ino), path) if info.st_nlink > 1 else path
            if first == path:
                _copy_entry(source, target, name, info)
            else:
                os.link(first, name, src_dir_fd=self._root, dst_dir_fd=target, follow_symlinks=False)
        _copy_attributes(source, target, os.stat(source))


def _copy_entry(source: int, target: int, name: str, info: os.stat_result) -> None:
    kind = stat.S_IFMT(info.st_mode)
    if kind == stat.S_IFREG:
        original = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source)
        try:
            copy = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=target)
            try:
                left = info.st_size
                while left and (sent := os.sendfile(copy, original, None, min(left, _CHUNK))):
                    left -= sent
                _copy_attributes(original, copy, info)
            finally:
                os.close(copy)
        finally:
            os.close(original)
        return
    if kind == stat.S_IFLNK:
        os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
    else:
        os.mknod(name, info.st_mode, info.st_rdev, dir_fd=target)
    os.chown(name, info.st_uid, info.st_gid, dir_fd=target, follow_symlinks=False)
    if kind != stat.S_IFLNK:
        os.chmod(name, stat.S_IMODE(info.st_mode), dir_fd=target)
    os.utime(name, ns=(info.st_atime_ns, info.st_mtime_ns), dir_fd=target, follow_symlinks=False)


def _copy_attributes(source: int, target: int, info: os.stat_result) -> None:
    os.fchown(target, info.st_uid, info.st_gid)
    os.fchmod(target, stat.S_IMODE(info.st_mode))
    for name in os.listxattr(source):
        if not name.startswith("trusted.overlay."):
            try:
                os.setxattr(target, name, os.getxattr(source, name))
            except OSError as error:
                if error.errno not in (errno.ENOTSUP, errno.EPERM):
                    raise
    os.utime(target, ns=(info.st_atime_ns, info.st_mtime_ns))


def tree_size(path: Path) -> int:
    """Bytes that the regular files below ``path`` take, hard links once."""
    total, seen = 0, set()
    stack = [str(path)]
    while stack:
        try:
            with os.scandir(stack.pop()) as entries:
                for entry in entries:
                    info = entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(entry.path)
                    elif (info.st_dev, info.st_ino) not in seen:
                        seen.add((info.st_dev, info.st_ino))
                        total += info.st_size
        except (FileNotFoundError, NotADirectoryError):
            continue
    return total
