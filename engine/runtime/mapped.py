"""Operations that give a container a user namespace of its own, and files their owners in it.

Whatever needs the host's root comes before EnterUser: from there on the process can do what the container's root can.

    sources, layers, own files, device nodes   as the host's root, detached, seen through the map where they have to be
    namespaces of others, limits               the host's root may still join and raise
    EnterUser                                  root of the user namespace
    mounts, ipc, uts, cgroup, pid namespaces   which then belong to it
    everything else                            as in any launch
"""

from __future__ import annotations

import errno
import os
import resource
import stat
from typing import TYPE_CHECKING, NamedTuple

from ..linux import idmap, mount, namespace, overlay, userns
from ..linux.libc import KernelError
from . import devices, users

if TYPE_CHECKING:
    from .stage import Stage


class Source(NamedTuple):
    """A bind mount whose owners are changed: the number that OpenSources gave it, its path, whether submounts are taken along."""

    number: int
    path: str
    recursive: bool


class MapSources(NamedTuple):
    """Show sources that are the container's own (volumes, files made for it) through its user namespace."""

    sources: tuple[Source, ...]
    user: int

    def execute(self, stage: Stage) -> None:
        for source in self.sources:
            _apply(stage, source, self.user, recursive=False)

    def describe(self) -> str:
        return "map " + " ".join(source.path for source in self.sources)


class MatchOwners(NamedTuple):
    """Show sources so that what belongs to the owner of their root belongs to the container's user, and the other way round.
    ``base`` is where the ids of a user namespace begin, 0 without. Needs the root, to look the user up."""

    sources: tuple[Source, ...]
    user: str
    base: int

    def execute(self, stage: Stage) -> None:
        stage.before_leaving()
        passwd = stage.read_small_file("/etc/passwd", users.MAX_FILE)
        group = stage.read_small_file("/etc/group", users.MAX_FILE)
        stage.nothing_more_to_read()
        identity = users.resolve(self.user, passwd, group)
        for source in self.sources:
            status = os.fstat(stage.sources[source.number])
            owner, wanted = (status.st_uid, status.st_gid), (identity.uid, identity.gid)
            if owner == wanted and not self.base:
                continue
            if not userns.is_initial():
                who = f"{owner[0]}:{owner[1]} there, {wanted[0]}:{wanted[1]} in the container"
                raise _refused(errno.EPERM, source, f"{who}: mapping owners takes an engine that runs as root")
            try:
                maps = [self._map(*pair) for pair in zip(owner, wanted, strict=True)]
            except ValueError as error:
                raise _refused(errno.EPERM, source, str(error)) from None
            user, _ = idmap.make(*maps)
            _apply(stage, source, user, recursive=source.recursive)
            os.close(user)

    def _map(self, owner: int, wanted: int) -> tuple[userns.Range, ...]:
        if not self.base:
            return idmap.matching(owner, wanted)
        if owner == 0:
            raise ValueError("it belongs to root, whose files are nobody's to write through a map")
        if wanted >= idmap.IDS:
            raise ValueError(f"the container's user namespace has no id {wanted}")
        return (userns.Range(owner, self.base + wanted, 1),)

    def describe(self) -> str:
        return "match owners of " + " ".join(source.path for source in self.sources)


def _refused(code: int, source: Source, detail: str) -> KernelError:
    return KernelError(code, "map the owners of", source.path, detail)


def _apply(stage: Stage, source: Source, user: int, *, recursive: bool) -> None:
    descriptor = stage.sources[source.number]
    try:
        idmap.apply(descriptor, user, recursive=recursive)
    except KernelError as error:
        kind = mount.filesystem_name(descriptor)
        more = ", or one of the file systems mounted below" if recursive else ""
        raise _refused(error.errno or 0, source, f"its file system ({kind}{more}) cannot show other owners") from None


class MappedOverlay(NamedTuple):
    """The container's root, detached: its layers, the writable one too, are seen through the user namespace, and stay as they
    are on disk. ``upper`` and ``work`` are in one directory."""

    lower: tuple[str, ...]
    upper: str
    work: str
    point: str
    label: str
    user: int
    base: int

    def execute(self, stage: Stage) -> None:
        os.makedirs(self.point, exist_ok=True)
        # Only what is attached can be a layer, on most kernels: here, where nobody sees it and it goes with the old root.
        folder = mount.new_filesystem("tmpfs", ["mode=700"], 0, "tmpfs")
        mount.attach(os.dup(folder), self.point)
        home = os.path.dirname(self.upper)
        for number, layer in enumerate((home, *self.lower)):
            tree = mount.open_tree(layer)
            idmap.apply(tree, self.user)
            os.mkdir(str(number), 0o700, dir_fd=folder)
            mount.attach(tree, f"{self.point}/{number}")
        os.close(folder)
        lower = tuple(f"{self.point}/{number}" for number in range(1, len(self.lower) + 1))
        upper, work = (f"{self.point}/0/{os.path.relpath(path, home)}" for path in (self.upper, self.work))
        options = (*overlay.SELF_CONTAINED, *((f"context={self.label}",) if self.label else ()))
        with idmap.root_of(self.base):
            stage.root_fd = mount.mount_overlay(lower, upper, work, options)

    def describe(self) -> str:
        return f"overlay {self.upper} over {len(self.lower)} layers, seen through the user namespace"


_SPARE = devices.MakeDevice(devices.SPARE, "c", 1, 3, 0o666, 0, 0)


class OwnNodes(NamedTuple):
    """Device nodes on a file system of the container's own, which MakeDevice will find: none can be made in a user namespace,
    and the host's could be touched."""

    nodes: tuple[devices.MakeDevice, ...]
    point: str
    base: int

    def execute(self, stage: Stage) -> None:
        bits = mount.MOUNT_ATTR_NOSUID | mount.MOUNT_ATTR_NOEXEC
        folder = mount.new_filesystem("tmpfs", ["mode=700", "size=64k"], bits, "tmpfs")
        mount.attach(os.dup(folder), self.point)
        for number, device in enumerate((*self.nodes, _SPARE)):
            name = str(number)
            os.mknod(
                name, devices.kind_of(device.kind) | device.mode, os.makedev(device.major, device.minor), dir_fd=folder
            )
            os.chown(name, self.base + device.uid, self.base + device.gid, dir_fd=folder, follow_symlinks=False)
            stage.nodes[device.path] = mount.open_tree(name, directory_fd=folder)
        os.close(folder)

    def describe(self) -> str:
        return f"{len(self.nodes)} device nodes"


class SpareNull(NamedTuple):
    """The same for an exec: a null device, should the container have none."""

    def execute(self, stage: Stage) -> None:
        folder = devices.null_folder()
        mount.set_attributes(folder, set_bits=devices.NULL_BITS)
        stage.nodes[devices.SPARE] = os.open("null", os.O_PATH | os.O_CLOEXEC, dir_fd=folder)
        os.close(folder)

    def describe(self) -> str:
        return "null device"


class LendStreams(NamedTuple):
    """Give the pipes on 0, 1, 2 to the container's root, who gives them to its user (OwnStreams)."""

    base: int

    def execute(self, stage: Stage) -> None:
        for number in (0, 1, 2):
            if stat.S_IFMT(os.fstat(number).st_mode) in (stat.S_IFIFO, stat.S_IFSOCK):
                os.fchown(number, self.base, self.base)

    def describe(self) -> str:
        return "lend stdio"


class RaiseLimits(NamedTuple):
    """What SetLimits will set has to be within what the host's root allows now. Raises KernelError."""

    limits: tuple[tuple[str, int, int], ...]

    def execute(self, stage: Stage) -> None:
        for name, _, hard in self.limits:
            number = getattr(resource, name, None)
            if number is None:
                continue  # SetLimits has the words
            soft, now = resource.getrlimit(number)
            if now != resource.RLIM_INFINITY and (hard == resource.RLIM_INFINITY or hard > now):
                try:
                    resource.setrlimit(number, (soft, hard))
                except (OSError, ValueError):
                    continue  # as above

    def describe(self) -> str:
        return "raise limits"


class EnterUser(NamedTuple):
    """Become root of the user namespace, and nobody outside of it."""

    user: int

    def execute(self, stage: Stage) -> None:
        userns.join(self.user)
        os.close(self.user)
        userns.become_root()

    def describe(self) -> str:
        return "enter user namespace"


class AttachRoot(NamedTuple):
    """Attach the new root over the old one, the one place that is in everybody's reach."""

    def execute(self, stage: Stage) -> None:
        target = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        mount.move_mount(stage.root_fd, target, "/")
        os.close(target)

    def describe(self) -> str:
        return "attach root"


def flags(kinds: tuple[str, ...]) -> int:
    """The namespaces of these kinds, for Unshare."""
    return sum(namespace.FLAGS[kind] for kind in kinds)
