"""Operations that build a container's view of the file system, up to pivot_root.

Everything happens below ``stage.root_fd``, the root of the new overlay, and every destination is resolved with
RESOLVE_IN_ROOT while the host is still in sight; pivot_root comes last. Which operations a container gets, and in
which order, is decided in launch.py.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from ..linux import mount, namespace, overlay, paths, process
from ..linux.libc import KernelError
from . import shields

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..linux.mount import Attributes
    from .stage import Stage


class OpenSources(NamedTuple):
    """Open what will be bind-mounted, as detached copies of the mounts: (path, with submounts, in ``host``).

    ``host`` is a handle on the mount namespace the user sees and works in; the keeper's own is a slave of it, so it may
    lack what was mounted since, and has what the engine has mounted for itself.
    """

    sources: tuple[tuple[str, bool, bool], ...]
    host: int | None

    def execute(self, stage: Stage) -> None:
        opened = dict(self._open(in_host=False))
        if self.host is not None and any(in_host for _, _, in_host in self.sources):
            own = namespace.open_own("mnt")
            namespace.setns(self.host, namespace.CLONE_NEWNS)
            try:
                opened.update(self._open(in_host=True))
            finally:
                namespace.setns(own, namespace.CLONE_NEWNS)
                os.close(own)
        if self.host is not None:
            os.close(self.host)
        stage.sources = [opened[number] for number in range(len(self.sources))]

    def _open(self, *, in_host: bool) -> Iterator[tuple[int, int]]:
        for number, (path, recursive, host) in enumerate(self.sources):
            if host == in_host:
                yield number, mount.open_tree(path, recursive=recursive)

    def describe(self) -> str:
        return "open sources " + " ".join(path for path, _, _ in self.sources)


class IsolateMounts(NamedTuple):
    """A mount namespace of its own, from which nothing propagates back."""

    propagation: int = mount.MS_PRIVATE

    def execute(self, stage: Stage) -> None:
        namespace.unshare(namespace.CLONE_NEWNS)
        mount.set_propagation("/", self.propagation, recursive=True)

    def describe(self) -> str:
        return "unshare mount"


class MountOverlay(NamedTuple):
    """The container's root: an overlay of ``lower`` (top-most first) and a writable ``upper``."""

    lower: tuple[str, ...]
    upper: str
    work: str
    point: str
    label: str = ""
    """What SELinux takes everything in it for."""

    def execute(self, stage: Stage) -> None:
        options = overlay.SELF_CONTAINED
        if self.label:
            options = (*options, f"context={self.label}")
        stage.root_fd = mount.mount_overlay(self.lower, self.upper, self.work, options)
        _attach(stage.root_fd, self.point)

    def describe(self) -> str:
        return f"overlay {self.upper} over {len(self.lower)} layers"


class BindRoot(NamedTuple):
    """The container's root: an existing directory, as an OCI bundle has it."""

    path: str

    def execute(self, stage: Stage) -> None:
        stage.root_fd = mount.open_tree(self.path, recursive=True)
        _attach(stage.root_fd, self.path)

    def describe(self) -> str:
        return f"root {self.path}"


def _attach(root_fd: int, point: str) -> None:
    os.makedirs(point, exist_ok=True)
    target = os.open(point, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    mount.move_mount(root_fd, target, point)
    os.close(target)


class MountFilesystem(NamedTuple):
    """A new instance of a file system (proc, sysfs, tmpfs, devpts, mqueue…) at ``destination``."""

    kind: str
    source: str
    destination: str
    attributes: Attributes

    def execute(self, stage: Stage) -> None:
        # Whoever redirects /proc or /sys by a symbolic link would have the masks below them miss.
        strict = self.kind in ("proc", "sysfs", "cgroup2")
        if strict:
            os.close(_directory_without_links(stage.root_fd, self.destination))
        data: list[str] = list(self.attributes.data)
        existing = shields.existing(stage.root_fd, self.destination, symlinks=True)
        if existing is not None:
            # As runc does: a tmpfs over a directory of the image looks like that directory.
            if self.kind == "tmpfs" and not any(option.startswith("mode=") for option in data):
                data.append(f"mode={stat.S_IMODE(os.fstat(existing).st_mode):o}")
            os.close(existing)
        target = paths.make_directory(stage.root_fd, self.destination)
        shields.check_target(stage.root_fd, target, shows_processes=self.kind == "proc")
        # Writable until its content is made (devices), see SetAttributes.
        bits = self.attributes.set
        if self.destination == "/dev":
            bits &= ~mount.MOUNT_ATTR_RDONLY
        filesystem = mount.new_filesystem(self.kind, data, bits, self.source)
        mount.move_mount(filesystem, target, self.destination)
        mount.apply(filesystem, self.attributes._replace(set=0, clear=0))
        os.close(filesystem)
        os.close(target)

    def describe(self) -> str:
        return f"mount {self.kind} on {self.destination}"


class MountJoinedProc(NamedTuple):
    """The procfs of a container whose pid namespace is joined. Nobody may be in it yet, so one made here would show ours."""

    destination: str
    attributes: Attributes
    owner: tuple[int, int] | None

    def execute(self, stage: Stage) -> None:
        os.close(_directory_without_links(stage.root_fd, self.destination))
        target = paths.make_directory(stage.root_fd, self.destination)
        try:
            filesystem = mount.new_process_filesystem(stage.pids_fd, self.attributes.set)
        except KernelError as error:
            if error.errno != errno.EINVAL:
                raise
            filesystem = self._copy()
        mount.move_mount(filesystem, target, self.destination)
        mount.apply(filesystem, self.attributes._replace(set=0, clear=0))
        for descriptor in (filesystem, target, stage.pids_fd):
            os.close(descriptor)

    def _copy(self) -> int:
        """Before Linux 6.17: that of the other container itself, without what covers parts of it."""
        if self.owner is None:
            raise KernelError(errno.ENOSYS, "mount", "proc", "this kernel cannot show a pid namespace given by path")
        inside, own = process.open_namespace(*self.owner, "mnt"), namespace.open_own("mnt")
        try:
            namespace.setns(inside, namespace.CLONE_NEWNS)
            found = os.open("/proc", os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
            if not mount.is_process_filesystem(found):
                raise KernelError(errno.EINVAL, "mount", "proc", "the container it belongs to has no /proc")
            copy = mount.open_tree("", directory_fd=found)
            os.close(found)
        finally:
            namespace.setns(own, namespace.CLONE_NEWNS)
            os.close(own)
            os.close(inside)
        mount.set_attributes(copy, set_bits=self.attributes.set, propagation=mount.MS_PRIVATE)
        return copy

    def describe(self) -> str:
        return f"mount proc on {self.destination}"


class Bind(NamedTuple):
    """A file or directory of the host, opened by OpenSources, at ``destination``."""

    number: int
    source: str
    destination: str
    attributes: Attributes

    def execute(self, stage: Stage) -> None:
        source = stage.sources[self.number]
        if stat.S_ISDIR(os.fstat(source).st_mode):
            target = paths.make_directory(stage.root_fd, self.destination)
        else:
            target = paths.make_file(stage.root_fd, self.destination)
        shields.check_target(stage.root_fd, target, shows_processes=mount.is_process_filesystem(source))
        mount.apply(source, self.attributes)
        mount.move_mount(source, target, self.destination)
        os.close(source)
        os.close(target)

    def describe(self) -> str:
        return f"bind {self.source} on {self.destination}"


class OwnFiles(NamedTuple):
    """Copies of small files (number of the source, path) instead of the files: whatever the container does to /etc/hosts and
    its like, nothing of the host's grows or changes. The shim gets the folder, to write what is new (refresh_files)."""

    sources: tuple[tuple[int, str], ...]

    def execute(self, stage: Stage) -> None:
        folder = mount.new_filesystem("tmpfs", _OWN_FILES, _PLAIN, "tmpfs")
        copy_files(folder, [path for _, path in self.sources])
        # Only what is attached can be bound: here, where nobody sees it and it goes with the old root.
        directory = os.path.dirname(self.sources[0][1])
        target = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        mount.move_mount(folder, target, directory)
        os.close(target)
        for number, path in self.sources:
            os.close(stage.sources[number])
            stage.sources[number] = mount.open_tree(os.path.basename(path), directory_fd=folder)
        stage.send_files(folder)

    def describe(self) -> str:
        return "copy " + " ".join(path for _, path in self.sources)


def copy_files(folder: int, sources: Sequence[str]) -> None:
    """Write these files into ``folder`` under their own names, in place. Raises OSError."""
    for path in sources:
        source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        copy = os.open(os.path.basename(path), _REPLACING, 0o644, dir_fd=folder)
        try:
            while os.sendfile(copy, source, None, 1 << 20):
                pass
        finally:
            os.close(source)
            os.close(copy)


_REPLACING = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
_OWN_FILES = ("mode=755", "size=1m", "nr_inodes=8")
_PLAIN = mount.MOUNT_ATTR_NOSUID | mount.MOUNT_ATTR_NODEV | mount.MOUNT_ATTR_NOEXEC


class MountCgroups(NamedTuple):
    """The container's own control groups: each v1 hierarchy in a tmpfs, or the one of v2.

    ``hierarchies`` are (directory name, controllers joined by commas, host mount point); ``own`` is the group's path
    below each mount point, used when the container shares the host's cgroup namespace.
    """

    destination: str
    hierarchies: tuple[tuple[str, str, str], ...]
    unified: str | None
    own: str
    private: bool
    attributes: Attributes

    def execute(self, stage: Stage) -> None:
        os.close(_directory_without_links(stage.root_fd, self.destination))
        if self.unified is not None:
            self._attach(stage, self.destination, "cgroup2", (), self.unified)
            return
        target = paths.make_directory(stage.root_fd, self.destination)
        protection = mount.MOUNT_ATTR_NOSUID | mount.MOUNT_ATTR_NODEV | mount.MOUNT_ATTR_NOEXEC
        folder = mount.new_filesystem("tmpfs", ["mode=755"], protection, "tmpfs")
        mount.move_mount(folder, target, self.destination)
        for name, controllers, point in self.hierarchies:
            os.mkdir(name, 0o755, dir_fd=folder)
            self._attach(stage, f"{self.destination}/{name}", "cgroup", tuple(controllers.split(",")), point)
            for controller in controllers.split(","):
                if controller != name and not controller.startswith("name="):
                    os.symlink(name, controller, dir_fd=folder)
        if self.attributes.set & mount.MOUNT_ATTR_RDONLY:
            mount.set_attributes(folder, set_bits=mount.MOUNT_ATTR_RDONLY)
        os.close(folder)
        os.close(target)

    def _attach(self, stage: Stage, destination: str, kind: str, options: tuple[str, ...], point: str) -> None:
        if self.private:
            filesystem = mount.new_filesystem(kind, options, self.attributes.set, "cgroup")
        else:
            filesystem = mount.open_tree(point + self.own)
            mount.set_attributes(filesystem, set_bits=self.attributes.set, propagation=mount.MS_PRIVATE)
        target = paths.make_directory(stage.root_fd, destination)
        mount.move_mount(filesystem, target, destination)
        os.close(filesystem)
        os.close(target)

    def describe(self) -> str:
        return f"mount cgroup on {self.destination}"


class SetAttributes(NamedTuple):
    """Change flags of a mount that had to be writable until now."""

    destination: str
    bits: int

    def execute(self, stage: Stage) -> None:
        target = paths.open_in_root(stage.root_fd, self.destination)
        mount.set_attributes(target, set_bits=self.bits)
        os.close(target)

    def describe(self) -> str:
        return f"remount {self.destination}"


class MakeWorkingDirectory(NamedTuple):
    """Create the working directory where the image lacks it, while the root can still be written."""

    path: str

    def execute(self, stage: Stage) -> None:
        os.close(paths.make_directory(stage.root_fd, self.path))

    def describe(self) -> str:
        return f"mkdir {self.path}"


class PivotRoot(NamedTuple):
    """The new root becomes the only one. Its ``propagation`` is set afterwards: a shared mount cannot be pivoted to."""

    propagation: int = 0

    def execute(self, stage: Stage) -> None:
        stage.before_leaving()
        mount.pivot_root(stage.root_fd)
        stage.leave_host()
        if self.propagation:
            mount.set_propagation("/", self.propagation, recursive=False)
        os.umask(0o022)

    def describe(self) -> str:
        return "pivot_root"


def _directory_without_links(root_fd: int, path: str) -> int:
    try:
        return paths.open_in_root(root_fd, path, os.O_PATH | os.O_DIRECTORY, symlinks=False)
    except KernelError as error:
        if error.errno == errno.ENOENT:
            return paths.make_directory(root_fd, path)
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise KernelError(errno.ENOTDIR, "mount", path, "must be an ordinary directory in the image") from None
        raise
