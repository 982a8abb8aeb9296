"""What a container has changed in its file system: the entries of its own overlay layer against the image's layers."""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ... import bounds
from ...errors import Unprocessable
from ...linux import entries
from ...linux.overlay import OPAQUE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..life.container import Container
    from ..life.service import Containers

MODIFIED, ADDED, DELETED = 0, 1, 2

PLACES = (".dockerenv", "etc/hosts", "etc/hostname", "etc/resolv.conf")
"""Empty files that a container's own layer has from the beginning or for mounts; no image is made of them."""
# Made by every launch as places for mounts, not by the program.
_OURS = {
    "/.dockerenv", "/dev", "/proc", "/sys", "/dev/console", "/dev/pts", "/dev/shm", "/etc/hosts", "/etc/hostname", "/etc/mtab",
    "/etc/resolv.conf",
}  # fmt: skip


def changes(containers: Containers, container: Container) -> list[dict[str, object]]:
    """The entries of GET /containers/{id}/changes, by path."""
    upper = containers.layout.container_state(container.id) / "upper"
    found: dict[str, int] = {}
    with ExitStack() as stack:
        top, *lower = [_held(stack, entries.open_root(path)) for path in (upper, *containers.lower(container.record))]
        _walk(top, lower, "", found)
    return [{"Path": path, "Kind": kind} for path, kind in sorted(found.items())]


def _held(stack: ExitStack, descriptor: int) -> int:
    stack.callback(os.close, descriptor)
    return descriptor


def _walk(upper: int, lower: Sequence[int], path: str, found: dict[str, int]) -> bool:
    """Note the changes in the open directory ``upper``, called ``path``; True when there are any.

    ``lower`` are the image's directories of this path, top-most first. The container may run and exchange what it likes.
    """
    if path.count("/") > bounds.TREE_DEPTH:
        raise Unprocessable("the container's file system is too deep to be compared")
    changed = False
    with os.scandir(upper) as listed:
        items = [(entry.name, entry.stat(follow_symlinks=False)) for entry in listed]
    for name, info in items:
        here = f"{path}/{name}"
        if here in _OURS or here.startswith(("/dev/", "/proc/", "/sys/")):
            continue
        below = _lookup(lower, name)
        if stat.S_ISCHR(info.st_mode) and info.st_rdev == 0:
            if below is not None:
                found[here] = DELETED
                changed = True
            continue
        if stat.S_ISDIR(info.st_mode):
            inner = _directory(upper, lower, name, here, found)
            if below is None:
                found[here] = ADDED
            elif inner or not _same(info, below):
                found[here] = MODIFIED
            changed = changed or here in found
            continue
        found[here] = ADDED if below is None else MODIFIED
        changed = True
    return changed


def _directory(upper: int, lower: Sequence[int], name: str, here: str, found: dict[str, int]) -> bool:
    with ExitStack() as stack:
        try:
            own = _held(stack, entries.open_directory(upper, name))
        except (FileNotFoundError, NotADirectoryError):  # moved, or exchanged for a link, since it was listed
            return False
        below = _merged(stack, lower, name)
        if not _opaque(own):
            return _walk(own, below, here, found)
        inner = _walk(own, (), here, found)
        return _deleted(own, below, here, found) or inner


def _same(one: os.stat_result, other: os.stat_result) -> bool:
    # Not the times: making places for mounts changes those.
    return (one.st_mode, one.st_uid, one.st_gid) == (other.st_mode, other.st_uid, other.st_gid)


def _status(directory: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _lookup(lower: Sequence[int], name: str) -> os.stat_result | None:
    """The entry ``name`` of the merged image in these directories; None when there is none, or a layer has taken it away."""
    for directory in lower:
        info = _status(directory, name)
        if info is not None:
            return None if stat.S_ISCHR(info.st_mode) and info.st_rdev == 0 else info
    return None


def _merged(stack: ExitStack, lower: Sequence[int], name: str) -> list[int]:
    """The layers' directories ``name`` that show in the merged image, top-most first; none when it is no directory there."""
    found: list[int] = []
    for directory in lower:
        info = _status(directory, name)
        if info is None:
            continue
        if not stat.S_ISDIR(info.st_mode):
            break
        found.append(_held(stack, entries.open_directory(directory, name)))
        if _opaque(found[-1]):
            break
    return found


def _opaque(directory: int) -> bool:
    return OPAQUE in os.listxattr(directory) and os.getxattr(directory, OPAQUE) == b"y"


def _deleted(own: int, below: Sequence[int], path: str, found: dict[str, int]) -> bool:
    """Entries of the image that an opaque directory hides."""
    changed = False
    for name in {name for directory in below for name in os.listdir(directory)}:
        if _status(own, name) is None and _lookup(below, name) is not None:
            found[f"{path}/{name}"] = DELETED
            changed = True
    return changed
