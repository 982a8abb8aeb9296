"""Operations that furnish a container's /dev: device nodes, links, terminal, and null devices that are its own.

Before pivot_root everything goes by ``stage.root_fd``, as in filesystem.py; which operations a container gets is decided
in launch.py and enter.py.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from ..linux import mount, paths, tty, userns
from ..linux.libc import KernelError

if TYPE_CHECKING:
    from .stage import Stage

_FOREIGN_BITS = mount.MOUNT_ATTR_NOSUID | mount.MOUNT_ATTR_NOEXEC
NULL_BITS = mount.MOUNT_ATTR_RDONLY | mount.MOUNT_ATTR_NOSUID | mount.MOUNT_ATTR_NOEXEC
"""Of a mount of a null device: it still reads and writes, but has neither mode nor times that could be changed."""
_NULL = os.makedev(1, 3)
SPARE = ""
"""In place of a path, among the nodes that were made before entering a user namespace: a null device for whatever needs one."""


class MakeDevice(NamedTuple):
    """A device node. ``kind`` is c, b or p; the mode is exact, whatever the umask says."""

    path: str
    kind: str
    major: int
    minor: int
    mode: int
    uid: int
    gid: int

    def execute(self, stage: Stage) -> None:
        parent_path, name = os.path.split(self.path)
        parent = paths.make_directory(stage.root_fd, parent_path)
        if self.path in stage.nodes or not userns.is_initial():
            os.close(parent)
            self._bind(stage)
            return
        kind = kind_of(self.kind)
        try:
            os.mknod(name, kind | self.mode, os.makedev(self.major, self.minor), dir_fd=parent)
        except FileExistsError:
            # A device asked for twice, or one the image brings along: ours counts.
            os.unlink(name, dir_fd=parent)
            os.mknod(name, kind | self.mode, os.makedev(self.major, self.minor), dir_fd=parent)
        if self.uid or self.gid:
            os.chown(name, self.uid, self.gid, dir_fd=parent, follow_symlinks=False)
        os.close(parent)

    def _bind(self, stage: Stage) -> None:
        """One that was made before, or the host's node: none can be made in a user namespace, and the host's mode and owner
        cannot be changed from there."""
        source = stage.nodes.pop(self.path, -1)
        if source < 0:
            source = mount.open_tree(_host_node(self.path, self.kind, os.makedev(self.major, self.minor)))
        mount.set_attributes(source, set_bits=_FOREIGN_BITS, propagation=mount.MS_PRIVATE)
        target = paths.make_file(stage.root_fd, self.path, 0o600)
        mount.move_mount(source, target, self.path)
        os.close(target)
        os.close(source)

    def describe(self) -> str:
        return f"device {self.path} {self.kind} {self.major}:{self.minor}"


def kind_of(letter: str) -> int:
    """The type bits of a node's mode: ``letter`` is c, u, b or p."""
    return {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}[letter]


def _host_node(path: str, kind: str, number: int) -> str:
    """Where the host has a device of this kind and number. Raises KernelError."""
    with contextlib.suppress(OSError):
        if os.stat(path).st_rdev == number:
            return path
    group = "block" if kind == "b" else "char"
    event = f"/sys/dev/{group}/{os.major(number)}:{os.minor(number)}/uevent"
    with contextlib.suppress(OSError), open(event) as file:
        for line in file:
            name, _, value = line.strip().partition("=")
            if name == "DEVNAME":
                return f"/dev/{value}"
    raise KernelError(errno.ENODEV, "bind device", path, "the host has no such node, and none can be made without root")


class MakeLinks(NamedTuple):
    """Symbolic links (name, target) in the directory ``parent``; existing names are left alone."""

    parent: str
    links: tuple[tuple[str, str], ...]

    def execute(self, stage: Stage) -> None:
        parent = paths.make_directory(stage.root_fd, self.parent)
        for name, target in self.links:
            try:
                os.symlink(target, name, dir_fd=parent)
            except FileExistsError:
                continue
        os.close(parent)

    def describe(self) -> str:
        return f"links in {self.parent}"


class OpenTerminal(NamedTuple):
    """A terminal in the container's devpts: standard streams and (``console``) /dev/console."""

    rows: int
    columns: int
    console: bool = True

    def execute(self, stage: Stage) -> None:
        master, slave = tty.open_pair(stage.root_fd)
        if self.rows and self.columns:
            tty.resize(master, self.rows, self.columns)
        if self.console:
            console = mount.open_tree("", directory_fd=slave)
            target = paths.make_file(stage.root_fd, "/dev/console", 0o600)
            mount.move_mount(console, target, "/dev/console")
            os.close(target)
            os.close(console)
        stage.send_terminal(master)
        for number in (0, 1, 2):
            os.dup2(slave, number)
        os.close(slave)

    def describe(self) -> str:
        return "open terminal"


class OwnNull(NamedTuple):
    """Standard streams that are the host's /dev/null become the container's own: through a descriptor, too, a file of the
    host could be changed."""

    def execute(self, stage: Stage) -> None:
        for number in (0, 1, 2):
            if not is_null(number):
                continue
            access = fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE
            null = _open_null(stage, access)
            os.dup2(null, number)
            os.close(null)

    def describe(self) -> str:
        return "streams of its own"


def is_null(descriptor: int) -> bool:
    """Whether the descriptor refers to a null device."""
    status = os.fstat(descriptor)
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == _NULL


def attached_null(stage: Stage, target: int, path: str, *, own: bool) -> int:
    """An O_PATH descriptor of a null device on a mounted file system of the container's: its own /dev's (``own``), or one
    made for this, which may be mounted on ``target`` already."""
    if own:
        found = paths.open_in_root(stage.root_fd, "/dev/null", symlinks=False)
        if is_null(found):
            return found
        os.close(found)
    if SPARE in stage.nodes:
        # One from another mount namespace can be cloned once it is attached here.
        spare = os.dup(stage.nodes[SPARE])
        mount.set_attributes(spare, set_bits=NULL_BITS, propagation=mount.MS_PRIVATE)
        mount.move_mount(spare, target, path)
        return spare
    if not userns.is_initial():
        return os.open("/dev/null", os.O_PATH | os.O_CLOEXEC)
    # Only what is attached can be bound: for a moment it covers /dev.
    folder = null_folder()
    target = paths.make_directory(stage.root_fd, "/dev")
    mount.move_mount(folder, target, "/dev")
    node = mount.open_tree("null", directory_fd=folder)
    mount.umount(f"/proc/self/fd/{folder}", mount.MNT_DETACH)
    os.close(target)
    os.close(folder)
    return node


def _open_null(stage: Stage, access: int) -> int:
    try:
        # Whatever stands there must neither block us nor become our terminal.
        found = paths.open_in_root(stage.root_fd, "/dev/null", access | os.O_NONBLOCK | os.O_NOCTTY, symlinks=False)
    except KernelError:
        found = -1
    if found >= 0:
        if is_null(found):
            os.set_blocking(found, True)
            return found
        os.close(found)
    if SPARE in stage.nodes:
        return os.open(f"/proc/self/fd/{stage.nodes[SPARE]}", access | os.O_CLOEXEC)
    folder = null_folder()
    mount.set_attributes(folder, set_bits=NULL_BITS)
    null = os.open("null", access | os.O_CLOEXEC, dir_fd=folder)
    os.close(folder)
    return null


def null_folder() -> int:
    """A file system with a null device in it, as a detached mount."""
    folder = mount.new_filesystem("tmpfs", ["mode=755", "nr_blocks=1", "nr_inodes=2"], mount.MOUNT_ATTR_NOSUID, "tmpfs")
    before = os.umask(0)
    os.mknod("null", stat.S_IFCHR | 0o666, _NULL, dir_fd=folder)
    os.umask(before)
    return folder
