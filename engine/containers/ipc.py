"""Mounts the engine itself makes for a container: a shared /dev/shm, and views of images that are mounted as data.

They lie under the container's run directory and go with its teardown. What the child mounts is engine/runtime's.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import EngineError, InvalidParameter
from ..linux import mount, paths
from ..linux.libc import KernelError

if TYPE_CHECKING:
    from pathlib import Path

    from ..images.types import Image
    from .record import ContainerRecord, MountPoint
    from .service import Containers

_SHM = mount.MOUNT_ATTR_NOSUID | mount.MOUNT_ATTR_NODEV | mount.MOUNT_ATTR_NOEXEC


def shared_memory(containers: Containers, record: ContainerRecord) -> Path | None:
    """The directory that stands for /dev/shm when it is shared between containers; None for a private one."""
    mode = record.host["IpcMode"]
    if mode.startswith("container:"):
        donor = containers.get(mode.partition(":")[2]).record
        return None if donor.host["IpcMode"] == "host" else _shm(containers, donor)
    if mode != "shareable":
        return None
    point = _shm(containers, record)
    if not _mounted(point):
        point.mkdir(parents=True, exist_ok=True, mode=0o1777)
        options = ["mode=1777", f"size={record.host['ShmSize']}"]
        attach(mount.new_filesystem("tmpfs", options, _SHM, "shm"), point)
    return point


def _shm(containers: Containers, record: ContainerRecord) -> Path:
    return containers.layout.container_run(record.id) / "shm"


def image_view(containers: Containers, image: Image, point: MountPoint, owner: ContainerRecord) -> Path:
    """A read-only view of an image's files (or of one subdirectory) for a mount of type image."""
    index = owner.mounts.index(point)
    base = containers.layout.container_run(owner.id)
    view, empty = base / f"image-{index}", base / "empty"
    view.mkdir(parents=True, exist_ok=True)
    empty.mkdir(exist_ok=True)
    if not _mounted(view):
        lower = (*(str(path) for path in containers.images.layer_paths(image)), str(empty))
        attach(mount.mount_overlay(lower, None, None), view)
    if not point.subpath:
        return view
    root = os.open(view, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        found = paths.open_in_root(root, point.subpath)
        target = os.readlink(f"/proc/self/fd/{found}")
        os.close(found)
    except KernelError as error:
        raise InvalidParameter(f"cannot access path {point.subpath} of image {point.name}: {error.strerror}") from None
    finally:
        os.close(root)
    return view.__class__(target)


def attach(descriptor: int, point: Path) -> None:
    """Mount what ``descriptor`` refers to at ``point``; the descriptor is closed."""
    try:
        target = os.open(point, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            mount.move_mount(descriptor, target, str(point))
        finally:
            os.close(target)
    finally:
        os.close(descriptor)


def forget(containers: Containers, record: ContainerRecord) -> None:
    """Unmount what was mounted under the container's run directory."""
    for point in mounts_below(containers.layout.container_run(record.id)):
        unmount(point)


def unmount(point: str) -> None:
    """Take a mount away; users of it keep their own reference."""
    try:
        mount.umount(point, mount.MNT_DETACH)
    except KernelError as error:
        raise EngineError(f"cannot unmount {point}: {error.strerror}") from None


def _mounted(point: Path) -> bool:
    return str(point) in mounts_below(point)


def mounts_below(directory: Path) -> list[str]:
    """Mount points at or below ``directory``, the deepest first."""
    base = str(directory)
    found = []
    with open("/proc/self/mountinfo", errors="surrogateescape") as file:
        for line in file:
            point = line.split(" ", 5)[4]
            if "\\" in point:
                point = point.encode("latin-1", "surrogateescape").decode("unicode_escape")
            if point == base or point.startswith(base + "/"):
                found.append(point)
    return sorted(found, reverse=True)
