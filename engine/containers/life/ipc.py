"""Mounts the engine itself makes for a container: a shared /dev/shm, and views of images that are mounted as data.

They lie under the container's run directory and go with its teardown. What the child mounts is engine/runtime's.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from ...errors import EngineError, InvalidParameter
from ...linux import entries, mount, paths
from ...linux.libc import KernelError

if TYPE_CHECKING:
    from pathlib import Path

    from ...images.types import Image
    from ..spec.record import ContainerRecord, MountPoint
    from .service import Containers

_SHM = mount.MOUNT_ATTR_NOSUID | mount.MOUNT_ATTR_NODEV | mount.MOUNT_ATTR_NOEXEC


def shared_memory(containers: Containers, record: ContainerRecord) -> Path | None:
    """The directory that stands for /dev/shm when it is shared between containers; None for a private one."""
    ipc = record.spec.ipc
    if ipc.joins:
        donor = containers.get(ipc.donor).record
        return None if donor.spec.ipc.is_host else _shm(containers, donor)
    if ipc.word != "shareable":
        return None
    point = _shm(containers, record)
    if not _mounted(point):
        point.mkdir(parents=True, exist_ok=True, mode=0o1777)
        options = ["mode=1777", f"size={record.spec.shm_size}"]
        mount.attach(mount.new_filesystem("tmpfs", options, _SHM, "shm"), point)
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
        mount.attach(mount.mount_overlay(lower, None, None), view)
    if not point.subpath:
        return view
    return part(containers, view, point, owner)


def part(containers: Containers, root: Path, point: MountPoint, owner: ContainerRecord) -> Path:
    """The directory or file ``point.subpath`` below ``root``, as a mount in the owner's run directory.

    Whoever else has the volume may exchange a directory for a link at any moment: the path is looked up once, below the
    root, and what was found is bound, never its name. Raises InvalidParameter when it is not there or leads out.
    """
    found = open_part(root, point.subpath)
    try:
        place = containers.layout.container_run(owner.id) / f"part-{owner.mounts.index(point)}"
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if _mounted(place):  # of the run before: the volume may hold something else by now
            unmount(str(place))
        if stat.S_ISDIR(os.fstat(found).st_mode):
            place.mkdir(exist_ok=True, mode=0o700)
        else:
            place.touch(mode=0o600)
        mount.attach(mount.open_tree("", directory_fd=found, recursive=True), place)
        return place
    except OSError as error:
        raise EngineError(f"cannot attach {point.subpath} of {point.name}: {error.strerror}") from None
    finally:
        os.close(found)


def open_part(root: Path, subpath: str) -> int:
    """An O_PATH descriptor of ``subpath`` below ``root``, a directory of the engine's. Raises InvalidParameter."""
    top = entries.open_root(root)
    try:
        return paths.open_beneath(top, subpath)
    except KernelError as error:
        reason = "it leads out of the volume" if error.errno == errno.EXDEV else (error.strerror or "").lower()
        raise InvalidParameter(f"cannot access path {root / subpath}: {reason}") from None
    finally:
        os.close(top)


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
