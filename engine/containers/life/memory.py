"""Files of a container that exist only in memory: configs and secrets whose content a client hands over.

They lie on one ramfs (which, unlike tmpfs, is never swapped out) at ``run/files``, a directory for each container, mounted
in the mount namespace that keeper, engine and shims share: they outlive the engine and every restart of the container,
and go with the last of those processes, wherever the root directory lies. The record knows target, owner and mode, never
the content; launch.json has a path only. A container whose content is gone is not started without it.
"""

from __future__ import annotations

import base64
import binascii
import os
import posixpath
import threading
from typing import TYPE_CHECKING

from ...errors import Conflict, EngineError, InvalidParameter
from ...linux import mount, owners, process
from ...linux.libc import KernelError
from ...linux.tree import remove_directory
from ..spec.record import MemoryFile
from . import ipc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ...layout import Layout
    from ..spec.record import ContainerRecord, MountPoint

_ATTRIBUTES = mount.MOUNT_ATTR_NOSUID | mount.MOUNT_ATTR_NODEV
_LARGEST_ID = 2**32 - 2

_mounting = threading.Lock()


def parse(value: object, mounts: Sequence[MountPoint]) -> list[tuple[MemoryFile, bytes]]:
    """``[{"Target", "Content" (base64), "UID", "GID", "Mode"}]``. Raises InvalidParameter."""
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise InvalidParameter("files: want a list of objects")
    taken = {point.destination for point in mounts}
    result = []
    for one in value:
        target = one.get("Target")
        if not isinstance(target, str) or not target.startswith("/") or "\0" in target:
            raise InvalidParameter("files: Target: want an absolute path")
        target = posixpath.normpath(target)
        if target.strip("/") == "" or target in taken:
            raise InvalidParameter(f"Duplicate mount point: {target}")
        taken.add(target)
        file = MemoryFile(
            target,
            _number(one, "UID", 0, _LARGEST_ID),
            _number(one, "GID", 0, _LARGEST_ID),
            _number(one, "Mode", 0o444, 0o7777),
        )
        try:
            content = base64.b64decode(str(one.get("Content") or ""), validate=True)
        except (binascii.Error, ValueError):
            raise InvalidParameter(f"files: Content of {target}: want base64") from None
        result.append((file, content))
    return result


def _number(one: Mapping[str, object], member: str, default: int, largest: int) -> int:
    value = one.get(member, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= largest:
        raise InvalidParameter(f"files: {member}: want a number from 0 to {largest}")
    return value


def store(layout: Layout, id: str, files: Sequence[tuple[MemoryFile, bytes]], ids: int = 0) -> None:
    """Keep the contents for container ``id``, in place of what it had; ``ids`` is where its user namespace's ids begin, for a
    ramfs shows no other owners than it has. Raises EngineError."""
    directory = layout.container_files(id)
    try:
        _mount(directory.parent)
        remove_directory(directory)
        directory.mkdir(mode=0o700)
        for index, (file, content) in enumerate(files):
            with open(directory / str(index), "xb") as stream:
                stream.write(content)
                owners.give(stream.fileno(), ids + file.uid, ids + file.gid)
                os.fchmod(stream.fileno(), file.mode)
    except OSError as error:
        raise EngineError(f"cannot keep a container's files in memory: {error.strerror}") from None


def paths(layout: Layout, record: ContainerRecord) -> dict[str, Path]:
    """Target -> the file to be mounted there. Raises Conflict when the content is gone."""
    directory = layout.container_files(record.id)
    found = {file.target: directory / str(index) for index, file in enumerate(record.files)}
    for target, path in found.items():
        if not path.is_file():
            raise Conflict(
                f"the content of {target} was kept in memory only and is gone, since the engine has been stopped:"
                " bring the container up again with its Compose file (pycompose up)"
            )
    return found


def adopt(layout: Layout, record: ContainerRecord, shim_pid: int, started: int) -> None:
    """Take the files over from a shim that lives in an earlier keeper's mount namespace."""
    directory = layout.container_files(record.id)
    if not record.files or directory.is_dir():
        return
    root = process.open_root(shim_pid, started)
    found = []
    try:
        for index, file in enumerate(record.files):
            name = f"{directory}/{index}".lstrip("/")
            with open(os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=root), "rb") as stream:
                found.append((file, stream.read()))
    finally:
        os.close(root)
    store(layout, record.id, found, record.ids)


def discard(layout: Layout, id: str) -> None:
    """Delete the container's files; absent is fine."""
    directory = layout.container_files(id)
    if directory.exists():  # most have none: their removal needs no descriptor, should there be none left
        remove_directory(directory)


def held(layout: Layout) -> bool:
    """Whether there is content that would be lost if this engine and its keeper ended."""
    return layout.files.is_dir() and any(layout.files.iterdir())


def shut_down(layout: Layout) -> None:
    """Unmount the file system: nothing runs any more, and the processes that share it are about to end."""
    point = layout.files
    if ipc.mounts_below(point):
        ipc.unmount(str(point))
    if point.is_dir():
        remove_directory(point)


def _mount(point: Path) -> None:
    with _mounting:
        if ipc.mounts_below(point):
            return
        point.mkdir(mode=0o700, exist_ok=True)
        try:
            descriptor = mount.new_filesystem("ramfs", ["mode=700"], _ATTRIBUTES, "pycompose-files")
        except KernelError as error:
            raise EngineError(f"cannot mount a file system in memory: {error.strerror}") from None
        mount.attach(descriptor, point)
