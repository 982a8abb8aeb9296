"""What a container has changed in its file system: the entries of its own overlay layer against the image's layers."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from .container import Container
    from .service import Containers

MODIFIED, ADDED, DELETED = 0, 1, 2

# Made by every launch as places for mounts, not by the program.
_OURS = {
    "/.dockerenv", "/dev", "/proc", "/sys", "/dev/console", "/dev/pts", "/dev/shm", "/etc/hosts", "/etc/hostname", "/etc/mtab",
    "/etc/resolv.conf",
}  # fmt: skip


def changes(containers: Containers, container: Container) -> list[dict[str, object]]:
    """The entries of GET /containers/{id}/changes, by path."""
    upper = containers.layout.container_state(container.id) / "upper"
    found: dict[str, int] = {}
    _walk(str(upper), "", containers.lower(container.record), found)
    return [{"Path": path, "Kind": kind} for path, kind in sorted(found.items())]


def _walk(upper: str, path: str, lower: tuple[Path, ...], found: dict[str, int]) -> bool:
    """Note the changes below ``path``; True when there are any."""
    changed = False
    with os.scandir(upper + path) as entries:
        items = [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
    for name, info in items:
        here = f"{path}/{name}"
        if here in _OURS or here.startswith(("/dev/", "/proc/", "/sys/")):
            continue
        below = _lookup(lower, here)
        if stat.S_ISCHR(info.st_mode) and info.st_rdev == 0:
            if below is not None:
                found[here] = DELETED
                changed = True
            continue
        if stat.S_ISDIR(info.st_mode):
            inner = _walk(upper, here, () if below is None or _opaque(upper + here) else lower, found)
            if below is not None and stat.S_ISDIR(below.st_mode) and _opaque(upper + here):
                inner = _deleted_below(upper, here, lower, found) or inner
            if below is None:
                found[here] = ADDED
            elif inner or not _same(info, below):
                found[here] = MODIFIED
            changed = changed or here in found
            continue
        found[here] = ADDED if below is None else MODIFIED
        changed = True
    return changed


def _same(one: os.stat_result, other: os.stat_result) -> bool:
    # Not the times: making places for mounts changes those.
    return (one.st_mode, one.st_uid, one.st_gid) == (other.st_mode, other.st_uid, other.st_gid)


def _lookup(lower: tuple[Path, ...], path: str) -> os.stat_result | None:
    """The entry of the merged image at ``path``; None when there is none, or a layer has taken it away."""
    for layer in lower:
        hidden = False
        position = str(layer)
        parts = path.strip("/").split("/")
        for index, part in enumerate(parts):
            position = f"{position}/{part}"
            try:
                info = os.lstat(position)
            except (FileNotFoundError, NotADirectoryError):
                break
            if stat.S_ISCHR(info.st_mode) and info.st_rdev == 0:
                return None
            if index == len(parts) - 1:
                return info
            if not stat.S_ISDIR(info.st_mode):
                return None
            hidden = hidden or _opaque(position)
        if hidden:
            return None
    return None


def _opaque(path: str) -> bool:
    try:
        return os.getxattr(path, "trusted.overlay.opaque", follow_symlinks=False) == b"y"
    except OSError:
        return False


def _deleted_below(upper: str, path: str, lower: tuple[Path, ...], found: dict[str, int]) -> bool:
    """Entries of the image that an opaque directory hides."""
    changed = False
    for layer in lower:
        try:
            names = os.listdir(f"{layer}{path}")
        except (FileNotFoundError, NotADirectoryError):
            continue
        for name in names:
            here = f"{path}/{name}"
            if not os.path.lexists(upper + here) and _lookup(lower, here) is not None:
                found[here] = DELETED
                changed = True
    return changed
