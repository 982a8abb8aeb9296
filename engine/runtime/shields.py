"""What a container must not see, change or cover: masked and read-only paths, and the rules on mounts over /proc."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from ..linux import mount, paths
from ..linux.libc import KernelError
from . import devices

if TYPE_CHECKING:
    from .stage import Stage

_COVERABLE = frozenset(
    f"/proc/{name}"
    for name in (
        *("cpuinfo", "diskstats", "loadavg", "meminfo", "slabinfo", "stat", "swaps", "uptime"),
        *("sys/crypto/fips_enabled", "sys/kernel/ns_last_pid"),
    )
)
"""Files of /proc that others emulate (lxcfs); as in runc nothing else there may be covered."""


def check_target(root_fd: int, target: int, *, shows_processes: bool) -> None:
    """Refuse a mount on or below /proc, wherever the image's links have led: programs trust what they read there, and the
    runtime relies on masks that would be missed. /proc itself may be covered by a procfs. Raises ValueError."""
    root, path = (os.readlink(f"/proc/self/fd/{descriptor}") for descriptor in (root_fd, target))
    inside = path[len(root.rstrip("/")) :]
    if inside == "/proc" and not shows_processes:
        raise ValueError(f'"{inside}" cannot be mounted because it is not of type proc')
    if inside.startswith("/proc/") and inside not in _COVERABLE:
        raise ValueError(f'"{inside}" cannot be mounted because it is inside /proc')


class MaskPaths(NamedTuple):
    """Hide paths: a null device over a file, an empty read-only tmpfs over a directory; missing ones are fine. The device
    is never the host's, whose mode and times could be changed through it. ``own_devices``: /dev is ours to take it from."""

    paths: tuple[str, ...]
    own_devices: bool = True

    def execute(self, stage: Stage) -> None:
        empty = null = -1
        for path in self.paths:
            target = existing(stage.root_fd, path)
            if target is None:
                continue
            if stat.S_ISDIR(os.fstat(target).st_mode):
                if empty < 0:
                    empty = cover = mount.new_filesystem("tmpfs", ["nr_blocks=1", "nr_inodes=1"], _HIDDEN, "tmpfs")
                else:
                    cover = mount.open_tree("", directory_fd=empty)
            else:
                if null < 0:
                    null = devices.attached_null(stage, target, path, own=self.own_devices)
                cover = mount.open_tree("", directory_fd=null)
                mount.set_attributes(cover, set_bits=devices.NULL_BITS, propagation=mount.MS_PRIVATE)
            mount.move_mount(cover, target, path)
            if cover != empty:
                os.close(cover)
            os.close(target)
        for descriptor in (empty, null):
            if descriptor >= 0:
                os.close(descriptor)

    def describe(self) -> str:
        return "mask " + " ".join(self.paths)


class ProtectPaths(NamedTuple):
    """Make paths read-only, with all that is mounted below them; missing ones are fine."""

    paths: tuple[str, ...]

    def execute(self, stage: Stage) -> None:
        for path in self.paths:
            target = existing(stage.root_fd, path)
            if target is None:
                continue
            cover = mount.open_tree("", directory_fd=target, recursive=True)
            mount.set_attributes(cover, set_bits=mount.MOUNT_ATTR_RDONLY, recursive=True)
            mount.move_mount(cover, target, path)
            os.close(cover)
            os.close(target)

    def describe(self) -> str:
        return "read-only " + " ".join(self.paths)


_HIDDEN = mount.MOUNT_ATTR_RDONLY | mount.MOUNT_ATTR_NOSUID | mount.MOUNT_ATTR_NODEV | mount.MOUNT_ATTR_NOEXEC


def existing(root_fd: int, path: str, *, symlinks: bool = False) -> int | None:
    """An O_PATH descriptor of ``path`` below the root, or None when it is missing."""
    try:
        return paths.open_in_root(root_fd, path, symlinks=symlinks)
    except KernelError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return None
        raise
