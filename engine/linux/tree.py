"""Deleting directories with everything below them, however deep, and never through a link that somebody put there."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DEPTH = 64  # descriptors that one removal has open at most


def remove_directory(path: Path, before: Callable[[], None] | None = None) -> None:
    """Delete the directory ``path``, whose parent must be the caller's own. Raises OSError; a missing one is fine.

    ``before`` is called before each directory below it.
    """
    parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        remove_tree(parent, os.fsencode(path.name), before)
    finally:
        os.close(parent)


def remove_tree(parent: int, name: bytes, before: Callable[[], None] | None = None) -> None:
    """Delete a directory and all below, by descriptors, never following links; a missing one is fine.

    Depth does not matter: what lies deeper than a process has descriptors for is moved up first.
    """
    try:
        top = os.open(name, _DIRECTORY_FLAGS, dir_fd=parent)
    except FileNotFoundError:
        return
    try:
        moved: list[bytes] = []
        _empty(top, top, 0, moved, before)
        while moved:
            item = moved.pop()
            fd = os.open(item, _DIRECTORY_FLAGS, dir_fd=top)
            try:
                _empty(fd, top, 0, moved, before)
            finally:
                os.close(fd)
            os.rmdir(item, dir_fd=top)
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=parent)


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
            fd = os.open(item, _DIRECTORY_FLAGS, dir_fd=directory)
            try:
                _empty(fd, top, depth + 1, moved, before)
            finally:
                os.close(fd)
            os.rmdir(item, dir_fd=directory)
