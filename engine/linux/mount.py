"""The mount interface of Linux 5.12 and later: a file system is configured and opened detached, then attached.

A detached mount is a file descriptor, so a destination resolved once (paths.py) cannot be swapped before the mount
lands on it. Not here: which mounts a container gets (runtime/launch.py).
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from . import libc
from .libc import AT_EMPTY_PATH, AT_FDCWD, AT_RECURSIVE, KernelError

if TYPE_CHECKING:
    from collections.abc import Iterable

MOUNT_ATTR_RDONLY = 0x00000001
MOUNT_ATTR_NOSUID = 0x00000002
MOUNT_ATTR_NODEV = 0x00000004
MOUNT_ATTR_NOEXEC = 0x00000008
MOUNT_ATTR__ATIME = 0x00000070
MOUNT_ATTR_RELATIME = 0x00000000
MOUNT_ATTR_NOATIME = 0x00000010
MOUNT_ATTR_STRICTATIME = 0x00000020
MOUNT_ATTR_NODIRATIME = 0x00000080
MOUNT_ATTR_IDMAP = 0x00100000
MOUNT_ATTR_NOSYMFOLLOW = 0x00200000

MS_UNBINDABLE = 1 << 17
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20

MNT_DETACH = 2

_OPEN_TREE_CLONE = 1
_OPEN_TREE_CLOEXEC = os.O_CLOEXEC
_MOVE_MOUNT_F_EMPTY_PATH = 0x04
_MOVE_MOUNT_T_EMPTY_PATH = 0x40
_FSOPEN_CLOEXEC = 1
_FSMOUNT_CLOEXEC = 1
_FSCONFIG_SET_FLAG = 0
_FSCONFIG_SET_STRING = 1
_FSCONFIG_SET_FD = 5
_FSCONFIG_CMD_CREATE = 6
_PROC_SUPER_MAGIC = 0x9FA0
_PROC_ROOT_INO = 1


class _MountAttr(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


class Attributes(NamedTuple):
    """What a mount(8)-style option list means: attribute bits to set and clear (on this mount, or recursively),
    the propagation types, whether a bind takes submounts along, and the file system's own options in ``data``."""

    set: int = 0
    clear: int = 0
    recursive_set: int = 0
    recursive_clear: int = 0
    propagation: tuple[tuple[int, bool], ...] = ()
    bind: bool = False
    recursive_bind: bool = False
    data: tuple[str, ...] = ()
    idmap: bool = False
    """Whether its owners are seen through the container's user namespace."""


_FLAGS: dict[str, tuple[int, int]] = {
    "ro": (MOUNT_ATTR_RDONLY, 0),
    "rw": (0, MOUNT_ATTR_RDONLY),
    "nosuid": (MOUNT_ATTR_NOSUID, 0),
    "suid": (0, MOUNT_ATTR_NOSUID),
    "nodev": (MOUNT_ATTR_NODEV, 0),
    "dev": (0, MOUNT_ATTR_NODEV),
    "noexec": (MOUNT_ATTR_NOEXEC, 0),
    "exec": (0, MOUNT_ATTR_NOEXEC),
    "nosymfollow": (MOUNT_ATTR_NOSYMFOLLOW, 0),
    "symfollow": (0, MOUNT_ATTR_NOSYMFOLLOW),
    "noatime": (MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME),
    "atime": (MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME),
    "relatime": (MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME),
    "norelatime": (MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME),
    "strictatime": (MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME),
    "nostrictatime": (MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME),
    "nodiratime": (MOUNT_ATTR_NODIRATIME, 0),
    "diratime": (0, MOUNT_ATTR_NODIRATIME),
}

_PROPAGATION = {"private": MS_PRIVATE, "slave": MS_SLAVE, "shared": MS_SHARED, "unbindable": MS_UNBINDABLE}
_WITHOUT_MEANING = frozenset({"defaults", "async", "sync", "dirsync", "mand", "nomand", "iversion", "noiversion"})


def parse_options(options: Iterable[str]) -> Attributes:
    """The OCI runtime specification's mount options (config.md, "Linux mount options"); the rest goes into data."""
    bits = [0, 0]
    recursive = [0, 0]
    propagation: list[tuple[int, bool]] = []
    bind = recursive_bind = idmap = False
    data: list[str] = []
    for option in options:
        if option in ("bind", "rbind"):
            bind = True
            recursive_bind = recursive_bind or option == "rbind"
        elif option == "idmap":
            idmap = True
        elif option in _FLAGS:
            bits[0] = bits[0] & ~_FLAGS[option][1] | _FLAGS[option][0]
            bits[1] = bits[1] & ~_FLAGS[option][0] | _FLAGS[option][1]
        elif option[:1] == "r" and option[1:] in _FLAGS:
            recursive[0] |= _FLAGS[option[1:]][0]
            recursive[1] |= _FLAGS[option[1:]][1]
        elif option in _PROPAGATION:
            propagation.append((_PROPAGATION[option], False))
        elif option[:1] == "r" and option[1:] in _PROPAGATION:
            propagation.append((_PROPAGATION[option[1:]], True))
        elif option not in _WITHOUT_MEANING:
            data.append(option)
    return Attributes(
        bits[0], bits[1], recursive[0], recursive[1], tuple(propagation), bind, recursive_bind, tuple(data), idmap
    )


def open_tree(path: str, *, directory_fd: int = AT_FDCWD, recursive: bool = False) -> int:
    """A detached copy of the mount at ``path`` (``""`` with a descriptor: of what it refers to)."""
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | (AT_RECURSIVE if recursive else 0) | (0 if path else AT_EMPTY_PATH)
    return libc.call(libc.SYS_OPEN_TREE, "open_tree", path, directory_fd, os.fsencode(path), flags)


def move_mount(mount_fd: int, target_fd: int, target: str) -> None:
    """Attach the detached mount to what ``target_fd`` refers to; ``target`` is only its name for errors."""
    flags = _MOVE_MOUNT_F_EMPTY_PATH | _MOVE_MOUNT_T_EMPTY_PATH
    libc.call(libc.SYS_MOVE_MOUNT, "move_mount", target, mount_fd, b"", target_fd, b"", flags)


def attach(descriptor: int, point: str | os.PathLike[str]) -> None:
    """Attach the detached mount at a place of the engine's own, and close the descriptor, whatever comes of it."""
    try:
        if stat.S_ISLNK(os.fstat(descriptor).st_mode):
            # The kernel mounts a link as well, and who uses the place would follow it.
            raise KernelError(errno.ELOOP, "move_mount", os.fspath(point), "a symbolic link is not mounted")
        target = os.open(point, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            move_mount(descriptor, target, os.fspath(point))
        finally:
            os.close(target)
    finally:
        os.close(descriptor)


def set_attributes(
    mount_fd: int,
    *,
    set_bits: int = 0,
    clear_bits: int = 0,
    propagation: int = 0,
    recursive: bool = False,
    userns_fd: int = 0,
) -> None:
    """mount_setattr(2) on the mount that ``mount_fd`` is the root of; ``userns_fd`` counts with MOUNT_ATTR_IDMAP only."""
    attributes = _MountAttr(set_bits, clear_bits, propagation, userns_fd)
    flags = AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    libc.call(
        libc.SYS_MOUNT_SETATTR,
        "mount_setattr",
        f"fd {mount_fd}",
        mount_fd,
        b"",
        flags,
        ctypes.byref(attributes),
        ctypes.c_size_t(ctypes.sizeof(attributes)),
    )


def apply(mount_fd: int, attributes: Attributes) -> None:
    """Set flags and propagation on a detached or attached mount."""
    if attributes.set or attributes.clear:
        set_attributes(mount_fd, set_bits=attributes.set, clear_bits=attributes.clear)
    if attributes.recursive_set or attributes.recursive_clear:
        set_attributes(
            mount_fd, set_bits=attributes.recursive_set, clear_bits=attributes.recursive_clear, recursive=True
        )
    for kind, recursive in attributes.propagation:
        set_attributes(mount_fd, propagation=kind, recursive=recursive)


def set_propagation(path: str, kind: int, *, recursive: bool) -> None:
    """Change the propagation type of the mount at ``path`` in the caller's namespace."""
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        set_attributes(descriptor, propagation=kind, recursive=recursive)
    finally:
        os.close(descriptor)


def new_filesystem(kind: str, options: Iterable[str | tuple[str, str]], attributes: int = 0, source: str = "") -> int:
    """A new instance of file system ``kind`` as a detached mount. ``options`` are ``"flag"``, ``"key=value"`` or pairs
    (a pair's value may hold any character). The error carries what the file system itself said."""
    context = libc.call(libc.SYS_FSOPEN, "fsopen", kind, kind.encode(), _FSOPEN_CLOEXEC)
    try:
        if source:
            _configure(context, kind, "source", source)
        for option in options:
            key, value = option if isinstance(option, tuple) else _split(option)
            _configure(context, kind, key, value)
        _configure(context, kind, None, None)
        return libc.call(libc.SYS_FSMOUNT, "fsmount", kind, context, _FSMOUNT_CLOEXEC, attributes)
    finally:
        os.close(context)


def new_process_filesystem(pids_fd: int, attributes: int = 0) -> int:
    """A new procfs that shows another pid namespace than the caller's, as a detached mount. Raises KernelError with EINVAL
    where the kernel cannot (before Linux 6.17)."""
    context = libc.call(libc.SYS_FSOPEN, "fsopen", "proc", b"proc", _FSOPEN_CLOEXEC)
    try:
        libc.call(libc.SYS_FSCONFIG, "fsconfig", "proc pidns", context, _FSCONFIG_SET_FD, b"pidns", None, pids_fd)
        _configure(context, "proc", None, None)
        return libc.call(libc.SYS_FSMOUNT, "fsmount", "proc", context, _FSMOUNT_CLOEXEC, attributes)
    finally:
        os.close(context)


def is_process_filesystem(descriptor: int) -> bool:
    """Whether the descriptor refers to the root of a procfs."""
    return _magic(descriptor) == _PROC_SUPER_MAGIC and os.fstat(descriptor).st_ino == _PROC_ROOT_INO


def filesystem_name(descriptor: int) -> str:
    """What messages call the file system that the descriptor is on."""
    magic = _magic(descriptor) & 0xFFFFFFFF
    return _MAGICS.get(magic, f"a file system of kind {magic:#x}")


_MAGICS = {
    0x794C7630: "overlay", _PROC_SUPER_MAGIC: "proc", 0x62656572: "sysfs", 0x858458F6: "ramfs", 0x6969: "nfs",
    0x65735546: "fuse", 0x01021994: "tmpfs", 0xEF53: "ext4", 0x58465342: "xfs", 0x9123683E: "btrfs",
    0x1CD1: "devpts", 0x27E0EB: "cgroup", 0x63677270: "cgroup2", 0xFF534D42: "cifs", 0x01021997: "9p",
    0x19800202: "mqueue", 0x73717368: "squashfs", 0x2FC12FC1: "zfs",
}  # fmt: skip


def _magic(descriptor: int) -> int:
    buffer = (ctypes.c_long * 16)()
    libc.check(libc.fstatfs(descriptor, ctypes.addressof(buffer)), "fstatfs")
    return buffer[0]


def _split(option: str) -> tuple[str, str | None]:
    key, separator, value = option.partition("=")
    return key, value if separator else None


def _configure(context: int, kind: str, key: str | None, value: str | None) -> None:
    if key is None:
        command, c_key, c_value = _FSCONFIG_CMD_CREATE, None, None
    elif value is None:
        command, c_key, c_value = _FSCONFIG_SET_FLAG, key.encode(), None
    else:
        command, c_key, c_value = _FSCONFIG_SET_STRING, key.encode(), os.fsencode(value)
    target = kind if key is None else f"{kind} {key}" if value is None else f"{kind} {key}={value}"
    try:
        libc.call(libc.SYS_FSCONFIG, "fsconfig", target, context, command, c_key, c_value, 0)
    except KernelError as error:
        raise KernelError(error.errno or 0, "mount", target, _complaints(context)) from None


def _complaints(context: int) -> str:
    lines: list[str] = []
    while True:
        try:
            line = os.read(context, 4096)
        except OSError:
            return "; ".join(lines)
        if not line:
            return "; ".join(lines)
        lines.append(line.decode(errors="replace").strip().removeprefix("e ").removeprefix("w "))


def mount_overlay(lower: tuple[str, ...], upper: str | None, work: str | None, options: tuple[str, ...] = ()) -> int:
    """An overlay of ``lower`` (top-most first) as a detached mount; read-only when ``upper`` is None.

    ``options`` are flags or ``key=value`` without commas in them. Safe in a threaded process.
    """
    if not takes_single_layers() or any(len(os.fsencode(path)) >= _LONGEST_VALUE for path in (*lower, upper or "")):
        return _mount_overlay_by_descriptors(lower, upper, work, options)
    extra = [("upperdir", upper), ("workdir", work)] if upper and work else []
    return new_filesystem("overlay", [*(("lowerdir+", path) for path in lower), *extra, *options], source="overlay")


@cache
def takes_single_layers() -> bool:
    """Whether overlayfs takes its layers one by one (``lowerdir+``, Linux 6.7 and later).

    Asked of the kernel, since no error tells: a file system that does not know the mount interface of 5.2 yet
    (overlayfs before 6.5) accepts any key, and complains of nothing in particular at the very end.
    """
    context = libc.call(libc.SYS_FSOPEN, "fsopen", "overlay", b"overlay", _FSOPEN_CLOEXEC)
    try:
        return not _accepts(context, "no such option") and _accepts(context, "lowerdir+")
    finally:
        os.close(context)


def _accepts(context: int, key: str) -> bool:
    try:
        _configure(context, "overlay", key, "/")
    except KernelError:
        return False
    return True


# Of an option for fsconfig(2), and of all options for mount(2); both limits count the final zero byte.
_LONGEST_VALUE = 256
_LONGEST_DATA = 4096


def _mount_overlay_by_descriptors(
    lower: tuple[str, ...], upper: str | None, work: str | None, options: tuple[str, ...]
) -> int:
    # All layers go into one option. Names in /proc/self/fd are short, need no escapes, and no working directory, which
    # threads share: fifteen layers fit into fsconfig(2), two hundred into mount(2).
    opened: list[int] = []

    def short(path: str) -> str:
        opened.append(os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
        return f"/proc/self/fd/{opened[-1]}"

    try:
        layers = ":".join([short(path) for path in lower])
        data = [f"lowerdir={layers}"]
        if upper and work:
            data += [f"upperdir={short(upper)}", f"workdir={short(work)}"]
        data += options
        if len(layers) < _LONGEST_VALUE:
            return new_filesystem("overlay", data, source="overlay")
        return _mount_long_overlay(",".join(data), os.path.dirname(work or lower[-1]))
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _mount_long_overlay(data: str, directory: str) -> int:
    # mount(2) wants a place: one in ``directory`` that nobody else knows, for a moment.
    if len(data) >= _LONGEST_DATA:
        raise KernelError(errno.E2BIG, "mount", "overlay", "more layers than this kernel takes")
    point = f"{directory}/{os.urandom(12).hex()}"
    os.mkdir(point, 0o700)
    try:
        libc.check(libc.mount(b"overlay", os.fsencode(point), b"overlay", 0, data.encode()), "mount", "overlay")
        try:
            return open_tree(point)
        finally:
            umount(point, MNT_DETACH)
    finally:
        os.rmdir(point)


def umount(path: str, flags: int = 0) -> None:
    libc.check(libc.umount2(os.fsencode(path), flags), "umount", path)


def pivot_root(new_root_fd: int) -> None:
    """Make the mount at ``new_root_fd`` the root of the caller's mount namespace and drop all that was there."""
    os.fchdir(new_root_fd)
    # Both arguments "." stack the old root on top of the new one, where it can be detached without a directory for it.
    libc.call(libc.SYS_PIVOT_ROOT, "pivot_root", ".", b".", b".")
    umount(".", MNT_DETACH)
    os.chdir("/")
