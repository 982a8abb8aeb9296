"""Files of a container in and out: archive get, put and head, and export.

A running container is seen through /proc/PID/root, with all its mounts; a stopped one through a temporary view of its
layers with its volumes and binds attached. Every path is resolved below that root with openat2, never by text.
"""

from __future__ import annotations

import base64
import errno
import json
import os
import posixpath
import stat
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from ...errors import EngineError, Forbidden, InvalidParameter, NotFound
from ...images.compression import chunks, decompress
from ...images.pack import pack_entry
from ...images.unpack import unpack
from ...linux import entries, idmap, mount, paths, process
from ...linux.libc import KernelError
from ...runtime import users
from ...timestamps import rfc3339
from ..spec import skeleton
from . import ipc, matched, supervise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...images.tarstream import Entry
    from ..spec.record import ContainerRecord, MountPoint
    from .container import Container
    from .service import Containers

_GO_MODE = ((stat.S_ISUID, 1 << 23), (stat.S_ISGID, 1 << 22), (stat.S_ISVTX, 1 << 20))


@dataclass(frozen=True, slots=True)
class Found:
    """A path inside a container, resolved as far as its parent: the entry itself is not followed."""

    parent_fd: int
    name: str
    path: str
    info: os.stat_result

    def stat_header(self, root_fd: int) -> str:
        """The X-Docker-Container-Path-Stat header."""
        target = ""
        if stat.S_ISLNK(self.info.st_mode):
            link = os.fsdecode(entries.read_link(self.parent_fd, self.name) or b"")
            target = posixpath.normpath(posixpath.join(posixpath.dirname(self.path), link))
        body = {
            "name": posixpath.basename(self.path) or "/",
            "size": self.info.st_size,
            "mode": go_mode(self.info.st_mode),
            "mtime": rfc3339(self.info.st_mtime_ns),
            "linkTarget": target,
        }
        return base64.b64encode(json.dumps(body).encode()).decode()


def go_mode(mode: int) -> int:
    """A file mode as Go's os.FileMode numbers it."""
    kinds = {
        stat.S_IFDIR: 1 << 31,
        stat.S_IFLNK: 1 << 27,
        stat.S_IFBLK: 1 << 26,
        stat.S_IFIFO: 1 << 25,
        stat.S_IFSOCK: 1 << 24,
        stat.S_IFCHR: 1 << 26 | 1 << 21,
    }
    value = kinds.get(stat.S_IFMT(mode), 0) | mode & 0o777
    for bit, go in _GO_MODE:
        if mode & bit:
            value |= go
    return value


@contextmanager
def root(containers: Containers, container: Container, *, write: bool = False) -> Iterator[int]:
    """A descriptor of the container's root directory, for use in a worker thread."""
    if container.state.running:
        descriptor = _running_root(container)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
        return
    record = container.record
    state = containers.layout.container_state(container.id)
    lower = containers.lower(record)
    if not write:
        # The places that every container has are there before it has ever run: clients fetch /etc/resolv.conf of a new one.
        lower = (*lower, skeleton.directory(containers.layout))
    view = containers.images.mounted(lower, state / "upper", state / "work")
    with ExitStack() as stack:
        point = stack.enter_context(view)
        descriptor = entries.open_root(point)
        stack.callback(os.close, descriptor)
        for mounted in record.mounts:
            if mounted.type == "volume":
                source = ipc.open_part(containers.volumes.acquire(mounted.name), mounted.subpath or ".")
            elif mounted.type == "bind" and os.path.lexists(mounted.source):
                source = os.open(mounted.source, os.O_PATH | os.O_CLOEXEC)
            else:
                continue
            try:
                _bind(descriptor, source, mounted, container.record)
            finally:
                os.close(source)
        yield descriptor


def _running_root(container: Container) -> int:
    """The root of the container's first process, O_PATH.

    Its number may name another process by now, with the host's root. The handle first, the identity after: while the
    process of this number and start time lives, nobody else has had the number.
    """
    pid, started = container.state.pid, container.state.pid_starttime
    try:
        descriptor = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise EngineError(f"container {container.id} has just ended: {error.strerror}") from None
    if not process.is_alive(pid, started):
        os.close(descriptor)
        raise EngineError(f"container {container.id} has just ended")
    return descriptor


def _bind(root_fd: int, source: int, point: MountPoint, record: ContainerRecord) -> None:
    """Attach a volume inside the view; it goes away with the view, which is unmounted as a tree."""
    tree = mount.open_tree("", directory_fd=source, recursive=True)
    destination = point.destination
    try:
        if point.matched:
            matched.show(tree, point.source, _user(root_fd, record.spec.user), own_ids=bool(record.ids))
        if not point.rw:
            mount.set_attributes(tree, set_bits=mount.MOUNT_ATTR_RDONLY, recursive=True)
        directory = stat.S_ISDIR(os.fstat(source).st_mode)
        make = paths.make_directory if directory else paths.make_file
        target = make(root_fd, destination)
        try:
            mount.move_mount(tree, target, destination)
        finally:
            os.close(target)
    except KernelError as error:
        raise EngineError(f"cannot attach {destination}: {error.strerror}") from None
    finally:
        os.close(tree)


@contextmanager
def find(root_fd: int, path: str, container: Container) -> Iterator[Found]:
    """Resolve a path as the container sees it. NotFound in Docker's words."""
    if not path:
        raise InvalidParameter("bad parameter: pathcannot be empty")
    missing = NotFound(f"Could not find the file {path.removesuffix('/.')} in container {container.name}")
    if "\0" in path:
        raise missing
    clean = posixpath.normpath("/" + path.lstrip("/"))
    follow = path.endswith(("/", "/."))
    try:
        if clean == "/":
            parent, name = paths.open_in_root(root_fd, "/", os.O_RDONLY | os.O_DIRECTORY), "."
        elif follow:
            # What a link leads to, by its own name: resolve it, then look at it from its parent.
            real = _real(root_fd, clean)
            parent = paths.open_in_root(root_fd, posixpath.dirname(real) or "/", os.O_RDONLY | os.O_DIRECTORY)
            name = posixpath.basename(real) or "."
        else:
            parent = paths.open_in_root(root_fd, posixpath.dirname(clean) or "/", os.O_RDONLY | os.O_DIRECTORY)
            name = posixpath.basename(clean)
    except KernelError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise missing from None
        raise EngineError(f"cannot look up {path}: {error.strerror}") from None
    try:
        try:
            info = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            raise missing from None
        if follow and not stat.S_ISDIR(info.st_mode):
            raise InvalidParameter(f"not a directory: {path}")
        yield Found(parent, name, clean, info)
    finally:
        os.close(parent)


def _real(root_fd: int, path: str) -> str:
    """The path without links, relative to the root: the kernel resolves, its names are compared with the root's own."""
    descriptor = paths.open_in_root(root_fd, path)
    try:
        top = os.readlink(f"/proc/self/fd/{root_fd}")
        full = os.readlink(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
    return "/" + full.removeprefix(top.rstrip("/")).lstrip("/")


@contextmanager
def _mounted(containers: Containers, container: Container) -> Iterator[None]:
    """Events of the container's volumes around a look into it."""
    supervise.publish_mounts(containers, container, "mount")
    try:
        yield
    finally:
        supervise.publish_mounts(containers, container, "unmount")


def head(containers: Containers, container: Container, path: str) -> str:
    with (
        _mounted(containers, container),
        root(containers, container) as root_fd,
        find(root_fd, path, container) as found,
    ):
        return found.stat_header(root_fd)


def get(containers: Containers, container: Container, path: str, begin: Callable[[str], None], out: BinaryIO) -> None:
    """Write the tar of a path; ``begin`` gets the stat header before the first byte."""
    with (
        _mounted(containers, container),
        root(containers, container) as root_fd,
        find(root_fd, path, container) as found,
    ):
        begin(found.stat_header(root_fd))
        name = posixpath.basename(found.path)
        if path.endswith("/."):
            name = "."
        try:
            path_inside = os.fsencode(name or "/").rstrip(b"/") or b"."
            apart, ids = _of_the_kernel(container), seen_ids(container)
            pack_entry(found.parent_fd, found.name, path_inside, out.write, apart=apart, ids=ids)
        except (FileNotFoundError, NotADirectoryError):  # the container's program moved it since it was found
            raise NotFound(f"Could not find the file {path} in container {container.name}: it has moved") from None


def seen_ids(container: Container) -> int:
    """Where the ids begin that are the container's from 0 on, in what ``root`` shows: a stopped one is seen as it is on disk."""
    return container.record.ids if container.state.running else 0


_CAPABILITIES = b"security.capability"
_KERNEL_TYPES = frozenset({"proc", "sysfs", "cgroup", "cgroup2", "devpts", "mqueue", "securityfs"})


def _of_the_kernel(container: Container) -> frozenset[int]:
    """The devices (st_dev) of what the kernel shows as files in a running container: no content of the container's.

    Docker's archives do not have it either, since they are made from the root file system and its volumes.
    """
    found = set()
    if container.state.running:
        with suppress(OSError), open(f"/proc/{container.state.pid}/mountinfo", errors="surrogateescape") as file:
            for line in file:
                fields = line.split()
                if fields[fields.index("-") + 1] in _KERNEL_TYPES:
                    major, _, minor = fields[2].partition(":")
                    found.add(os.makedev(int(major), int(minor)))
    return frozenset(found)


def put(
    containers: Containers,
    container: Container,
    path: str,
    stream: BinaryIO,
    *,
    keep_kinds: bool = False,
    own: bool = False,
) -> None:
    """Unpack a tar (any compression) into a directory of the container.

    ``keep_kinds``: a directory is not replaced by something else, nor the reverse. ``own``: everything belongs to the
    container's user.
    """
    # Before its first start nothing is read-only yet: that is how a client puts configs and secrets in.
    fresh = container.state.status == "created"
    if container.record.spec.read_only and not fresh and not _in_writable_mount(container, path):
        raise Forbidden("container rootfs is marked read-only")
    with _mounted(containers, container), root(containers, container, write=True) as root_fd:
        with find(root_fd, path.rstrip("/") + "/." if path.strip("/") else "/", container) as found:
            if not stat.S_ISDIR(found.info.st_mode):
                raise InvalidParameter("extraction point is not a directory")
        if _read_only(container, posixpath.normpath(path)):
            raise Forbidden("mounted volume is marked read-only")
        ids = seen_ids(container)
        owner = _owner(root_fd, container) if own else None
        writer = (ids, ids)
        if (point := _mount_of(container, path)) is not None and point.matched:
            owner = _owner(root_fd, container) or (0, 0)  # nobody else can have anything there
            writer = (ids + owner[0], ids + owner[1])
        prefix = os.fsencode(posixpath.normpath("/" + path.lstrip("/")).strip("/"))

        def accept(entry: Entry) -> bool:
            name = entry.name
            if b".." in name.split(b"/"):
                raise InvalidParameter(f"refused: {os.fsdecode(name)!r} leaves the directory")
            entry.name = prefix + b"/" + name if prefix else name
            if entry.type == b"1":
                entry.link = prefix + b"/" + entry.link.lstrip(b"/") if prefix else entry.link
            if owner is not None:
                entry.uid, entry.gid = owner
            if ids:
                if max(entry.uid, entry.gid) >= idmap.IDS:
                    shown = os.fsdecode(name)
                    raise InvalidParameter(f"{shown}: the container has no user {entry.uid} or no group {entry.gid}")
                entry.uid, entry.gid = ids + entry.uid, ids + entry.gid
                if capabilities := entry.xattrs.get(_CAPABILITIES):
                    entry.xattrs[_CAPABILITIES] = idmap.capabilities_outside(capabilities, ids)
            if keep_kinds:
                _check_kind(root_fd, entry)
            return name.strip(b"./") != b"" or not prefix

        try:
            with idmap.acting_as(*writer):
                unpack(decompress(chunks(stream)), root_fd, layer=False, accept=accept, through_links=True)
        except OSError as error:
            if error.errno == errno.EROFS:
                raise Forbidden("mounted volume is marked read-only") from None
            raise EngineError(f"cannot write into the container: {error.strerror}") from None


def _check_kind(root_fd: int, entry: Entry) -> None:
    try:
        descriptor = paths.open_in_root(root_fd, os.fsdecode(b"/" + entry.name), os.O_PATH | os.O_NOFOLLOW)
    except KernelError:
        return
    try:
        directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
    finally:
        os.close(descriptor)
    shown = os.fsdecode(entry.name)
    if directory and entry.type != b"5":
        raise InvalidParameter(f'cannot overwrite directory "/{shown}" with non-directory "/"')
    if not directory and entry.type == b"5":
        raise InvalidParameter(f'cannot overwrite non-directory "/{shown}" with directory "/"')


def check_user(containers: Containers, container: Container, user: str) -> None:
    """Whether the container's own files know a user as an exec names one. Raises InvalidParameter; reads files."""
    with root(containers, container) as root_fd:
        try:
            _identity(root_fd, user)
        except users.UserError as error:
            raise InvalidParameter(str(error)) from None


def _owner(root_fd: int, container: Container) -> tuple[int, int] | None:
    user = container.record.spec.user
    if not user:
        return None
    identity = _user(root_fd, user)
    return identity.uid, identity.gid


def _user(root_fd: int, user: str) -> users.Identity:
    try:
        return _identity(root_fd, user)
    except users.UserError as error:
        raise EngineError(str(error)) from None


def _identity(root_fd: int, user: str) -> users.Identity:
    def read(path: str) -> bytes:
        try:
            found = paths.open_in_root(root_fd, path)
        except KernelError:
            return b""
        try:
            # Opened by us a device would be the host's: the container may make the node of one that it may not open.
            if not stat.S_ISREG(os.fstat(found).st_mode):
                return b""
            with open(entries.reopen(found), "rb") as file:
                return file.read(users.MAX_FILE)
        finally:
            os.close(found)

    return users.resolve(user, read("/etc/passwd"), read("/etc/group"))


def _mount_of(container: Container, path: str) -> MountPoint | None:
    clean = posixpath.normpath("/" + path.lstrip("/"))
    best = None
    for point in container.record.mounts:
        inside = clean == point.destination or clean.startswith(point.destination + "/")
        if inside and (best is None or len(point.destination) > len(best.destination)):
            best = point
    return best


def _in_writable_mount(container: Container, path: str) -> bool:
    point = _mount_of(container, path)
    return point is not None and bool(point.rw)


def _read_only(container: Container, path: str) -> bool:
    point = _mount_of(container, path)
    return point is not None and not point.rw


def export(containers: Containers, container: Container, out: BinaryIO) -> None:
    """The container's file system as one tar, without its mounts."""
    upper = containers.layout.container_state(container.id) / "upper"
    containers.images.export(
        (upper, *containers.lower(container.record), skeleton.directory(containers.layout)), None, out
    )
