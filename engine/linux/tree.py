"""Deleting and measuring directories with everything below them, never through a link that somebody put there."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from .libc import KernelError
from .paths import open_same_mount

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DEPTH = 64  # descriptors that one removal has open at most
_LEVELS = 255  # as deep as a layer may be; what lies deeper is not measured


def remove_directory(path: Path, before: Callable[[], None] | None = None) -> None:
    """Delete the directory ``path``, whose parent must be the caller's own. Raises OSError; a missing one is fine.

    ``before`` is called before each directory below it.
    """
    try:
        parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        remove_tree(parent, os.fsencode(path.name), before)
    finally:
        os.close(parent)


def remove_tree(parent: int, name: bytes, before: Callable[[], None] | None = None) -> None:
    """Delete a directory and all below, by descriptors, never following links; a missing one is fine. What is mounted on it
    or below is somebody else's: EXDEV.

    Depth does not matter: what lies deeper than a process has descriptors for is moved up first.
    """
    try:
        top = open_same_mount(parent, name, _DIRECTORY_FLAGS)
    except KernelError as error:
        if error.errno == errno.ENOENT:
            return
        raise
    try:
        empty(top, before)
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=parent)


def empty(top: int, before: Callable[[], None] | None = None) -> None:
    """Delete all that is in the directory ``top``, by descriptors, never following links."""
    moved: list[bytes] = []
    _empty(top, top, 0, moved, before)
    while moved:
        item = moved.pop()
        fd = open_same_mount(top, item, _DIRECTORY_FLAGS)
        try:
            _empty(fd, top, 0, moved, before)
        finally:
            os.close(fd)
        os.rmdir(item, dir_fd=top)


def _empty(directory: int, top: int, depth: int, moved: list[bytes], before: Callable[[], None] | None) -> None:
    if before is not None:
        before()
    with os.scandir(directory) as entries:
        items = [(os.fsencode(entry.name), entry.is_dir(follow_symlinks=False)) for entry in entries]
    for item, is_directory in items:
        if not is_directory:
            with suppress(FileNotFoundError):
                os.unlink(item, dir_fd=directory)
        elif depth >= _DEPTH:
            name = b".removed-" + os.urandom(8).hex().encode()
            os.rename(item, name, src_dir_fd=directory, dst_dir_fd=top)
            moved.append(name)
        else:
            fd = open_same_mount(directory, item, _DIRECTORY_FLAGS)
            try:
                _empty(fd, top, depth + 1, moved, before)
            finally:
                os.close(fd)
            os.rmdir(item, dir_fd=directory)


def tree_size(path: str | os.PathLike[str]) -> int:
    """Bytes of what lies below a directory of the engine's own, each inode once; 0 when there is none.

    A container may change the tree meanwhile: only descriptors are followed, down to _LEVELS directories.
    """
    try:
        top = os.open(path, _DIRECTORY_FLAGS)
    except (FileNotFoundError, NotADirectoryError):
        return 0
    seen: set[tuple[int, int]] = set()
    try:
        return _measure(top, seen, 0)
    finally:
        os.close(top)


def tree_allocated(top: int) -> tuple[int, int]:
    """(bytes, bytes on the disk) of what lies below an open directory: holes count for the first only."""
    blocks: list[int] = []
    size = _measure(top, set(), 0, blocks)
    return size, sum(blocks) * 512


def _measure(directory: int, seen: set[tuple[int, int]], depth: int, blocks: list[int] | None = None) -> int:
    """Bytes below a directory; the 512-byte blocks that each inode takes are added to ``blocks``."""
    total = 0
    below: list[str] = []
    with os.scandir(directory) as entries:
        for entry in entries:
            try:
                info = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISDIR(info.st_mode):
                below.append(entry.name)
            elif (info.st_dev, info.st_ino) not in seen:
                seen.add((info.st_dev, info.st_ino))
                total += info.st_size
                if blocks is not None:
                    blocks.append(info.st_blocks)
    for name in below if depth < _LEVELS else ():
        try:
            fd = os.open(name, _DIRECTORY_FLAGS, dir_fd=directory)
        except (FileNotFoundError, NotADirectoryError):  # moved, or exchanged for a link, since it was read
            continue
        try:
            total += _measure(fd, seen, depth + 1, blocks)
        finally:
            os.close(fd)
    return total
