"""Where COPY and ADD write to: selections become files below a root, by Docker's rules for destinations.

A directory's contents are merged into the destination; a file goes into a destination that is a directory (or is written
with a trailing slash), else becomes it. Symbolic links in the destination are followed inside the root and never out.
Modification times come from the source. Directories that were there keep their times, so that the same sources over the
same parent make the same layer.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import Unprocessable
from ..linux import entries, owners
from ..linux.libc import KernelError
from ..linux.paths import open_in_root
from .filecache import read_xattrs
from .trees import Tree, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .dockerfile.values import Chmod
    from .trees import Entry, Selection

_LINKS = 40
_PIECE = 1 << 30
_SHARED_ERRORS = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


@dataclass(frozen=True, slots=True)
class Ownership:
    """Who files belong to (None: as in the source, and root for directories made on the way), and modes to apply."""

    owner: tuple[int, int] | None = None
    chmod: Chmod | None = None


@dataclass(slots=True)
class Destination:
    """A root directory being written below. ``fd`` stays the caller's; ``root`` wraps it for look-ups."""

    fd: int
    ownership: Ownership = field(default_factory=Ownership)
    cancelled: Callable[[], bool] = lambda: False
    _links: dict[tuple[int, int], str] = field(default_factory=dict)

    @property
    def root(self) -> Tree:
        return Tree(self.fd, "destination")

    # paths ---------------------------------------------------------------------------------------------------------
    def resolve(self, path: str) -> str:
        """Canonical form of a path of which the end may be missing: links that exist are followed below the root."""
        todo = [part for part in reversed(path.split("/")) if part not in ("", ".")]
        real: list[str] = []
        links = 0
        while todo:
            part = todo.pop()
            if part == "..":
                del real[-1:]
                continue
            here = "/".join([*real, part])
            status = self.root.status(here)
            if status is not None and stat.S_ISLNK(status.st_mode):
                links += 1
                if links > _LINKS:
                    raise Unprocessable(f"{path}: too many levels of symbolic links")
                target = self.root.link(here)
                if target.startswith("/"):
                    real = []
                todo += [piece for piece in reversed(target.split("/")) if piece not in ("", ".")]
                continue
            real.append(part)
        return "/".join(real)

    def make_directories(self, path: str, *, mode: int = 0o755, mtime: int | None = None) -> str:
        """Make what is missing of a directory path; returns its canonical form. New ones belong to the owner."""
        real = self.resolve(path)
        missing: list[str] = []
        probe = real
        while probe:
            status = self.root.status(probe)
            if status is not None:
                if not stat.S_ISDIR(status.st_mode):
                    raise Unprocessable(f"cannot create directory /{real}: /{probe} is not a directory")
                break
            missing.append(probe)
            probe = probe.rpartition("/")[0]
        for made in reversed(missing):
            with self.inside(made) as (parent, name):
                fd = entries.make_directory(parent, name, mode)
                try:
                    uid, gid = self.ownership.owner or (0, 0)
                    owners.give(fd, uid, gid)
                    os.fchmod(fd, mode)
                    if mtime is not None:
                        entries.set_times(fd, mtime)
                finally:
                    os.close(fd)
        return real

    @contextlib.contextmanager
    def inside(self, path: str) -> Iterator[tuple[int, str]]:
        """(descriptor of the parent directory, last name) of a canonical path. The parent keeps its times."""
        parent_path, _, name = path.rpartition("/")
        fd = open_in_root(self.fd, parent_path or ".", os.O_RDONLY | os.O_DIRECTORY, symlinks=False)
        try:
            before = os.fstat(fd)
            yield fd, name
            entries.set_times(fd, before.st_mtime_ns, before.st_atime_ns)
        finally:
            os.close(fd)

    def is_directory(self, path: str) -> bool:
        status = self.root.status(self.resolve(path))
        return status is not None and stat.S_ISDIR(status.st_mode)

    # files ---------------------------------------------------------------------------------------------------------
    def place(self, selection: Selection, target: str, *, merge: bool = False) -> None:
        """Copy a selection to ``target`` (absolute; a trailing slash means a directory).

        With ``merge`` (``--parents``) the entries keep their relative paths below the directory ``target``.
        """
        if not selection.entries:
            return
        stamp = selection.entries[0].status.st_mtime_ns
        if selection.is_directory:
            existed = self.is_directory(target)
            base = self.make_directories(target, mtime=stamp)
            if not existed and not merge:
                self._directory_attributes(base, selection.tree, selection.entries[0])
            self._contents(selection, base)
            return
        into = target.endswith(("/", "/.")) or self.is_directory(target)
        if into:
            base = self.make_directories(target, mtime=stamp)
            path = f"{base}/{selection.name}" if base else selection.name
        else:
            parent = self.make_directories(target.rpartition("/")[0], mtime=stamp)
            path = f"{parent}/{target.rpartition('/')[2]}"
            path = self.resolve(path)
            self.make_directories(path.rpartition("/")[0], mtime=stamp)
        self._file(selection.tree, selection.entries[0], path)

    def _contents(self, selection: Selection, base: str) -> None:
        directories: list[tuple[str, Entry]] = []
        for entry in selection.entries[1:]:
            if self.cancelled():
                raise Unprocessable("context canceled")
            path = f"{base}/{entry.relative}" if base else entry.relative
            if stat.S_ISDIR(entry.status.st_mode):
                status = self.root.status(path)
                if status is None:
                    with self.inside(path) as (parent, name):
                        os.mkdir(name, 0o700, dir_fd=parent)
                elif not stat.S_ISDIR(status.st_mode):
                    raise Unprocessable(f"cannot copy to non-directory: /{path}")
                directories.append((path, entry))
            else:
                self._file(selection.tree, entry, path)
        for path, entry in reversed(directories):
            self._directory_attributes(path, selection.tree, entry)

    def _directory_attributes(self, path: str, tree: Tree, entry: Entry) -> None:
        fd = open_in_root(self.fd, path or ".", os.O_RDONLY | os.O_DIRECTORY, symlinks=False)
        try:
            self._attributes(fd, tree, entry)
        finally:
            os.close(fd)

    def _file(self, tree: Tree, entry: Entry, path: str) -> None:
        status = entry.status
        existing = self.root.status(path)
        if existing is not None and stat.S_ISDIR(existing.st_mode):
            raise Unprocessable(f"cannot replace to directory /{path} with file")
        with self.inside(path) as (parent, name):
            if existing is not None:
                os.unlink(name, dir_fd=parent)
            if stat.S_ISREG(status.st_mode):
                self._regular(tree, entry, parent, name, path)
            elif stat.S_ISLNK(status.st_mode):
                os.symlink(tree.link(entry.path), name, dir_fd=parent)
                uid, gid = self._owner(tree, status)
                owners.give_entry(parent, name, uid, gid)
                os.utime(name, ns=(status.st_mtime_ns, status.st_mtime_ns), dir_fd=parent, follow_symlinks=False)
            elif not stat.S_ISSOCK(status.st_mode):
                os.mknod(name, stat.S_IFMT(status.st_mode) | 0o600, status.st_rdev, dir_fd=parent)
                uid, gid = self._owner(tree, status)
                owners.give_entry(parent, name, uid, gid)
                entries.set_mode(parent, name, self._mode(status), stat.S_IFMT(status.st_mode))
                os.utime(name, ns=(status.st_mtime_ns, status.st_mtime_ns), dir_fd=parent, follow_symlinks=False)

    def _regular(self, tree: Tree, entry: Entry, parent: int, name: str, path: str) -> None:
        inode = (entry.status.st_dev, entry.status.st_ino)
        if entry.status.st_nlink > 1 and inode in self._links:
            with self.inside(self._links[inode]) as (first, first_name):
                os.link(first_name, name, src_dir_fd=first, dst_dir_fd=parent, follow_symlinks=False)
            return
        with opened(tree, entry) as source:
            fd = entries.create_file(parent, name)
            try:
                copy_bytes(source, fd)
                self._attributes(fd, tree, entry, source)
            finally:
                os.close(fd)
        if entry.status.st_nlink > 1:
            self._links[inode] = path

    def _owner(self, tree: Tree, status: os.stat_result) -> tuple[int, int]:
        if self.ownership.owner is not None:
            return self.ownership.owner
        return (0, 0) if tree.own else (status.st_uid, status.st_gid)

    def _mode(self, status: os.stat_result) -> int:
        mode = stat.S_IMODE(status.st_mode)
        if self.ownership.chmod is None:
            return mode
        return self.ownership.chmod.apply(mode, directory=stat.S_ISDIR(status.st_mode))

    def _attributes(self, fd: int, tree: Tree, entry: Entry, source: int | None = None) -> None:
        """Owner before mode: a change of owner drops set-id bits; and before file capabilities, for the same reason."""
        owners.give(fd, *self._owner(tree, entry.status))
        if source is None:
            with opened(tree, entry) as directory:
                attributes = read_xattrs(directory)
        else:
            attributes = read_xattrs(source)
        for name, value in attributes:
            try:
                os.setxattr(fd, name, value)
            except OSError as error:
                if error.errno not in (errno.ENOTSUP, errno.EPERM):
                    raise
        os.fchmod(fd, self._mode(entry.status))
        entries.set_times(fd, entry.status.st_mtime_ns)

    def write(self, name: str, content: bytes, target: str, *, mode: int, mtime: int) -> None:
        """A file made from bytes (a here-document): placed as a file called ``name`` would be."""
        into = target.endswith(("/", "/.")) or self.is_directory(target)
        path = self.resolve(f"{target}/{name}" if into else target)
        self.make_directories(path.rpartition("/")[0], mtime=mtime)
        status = self.root.status(path)
        if status is not None and stat.S_ISDIR(status.st_mode):
            raise Unprocessable(f"cannot replace to directory /{path} with file")
        with self.inside(path) as (parent, last):
            if status is not None:
                os.unlink(last, dir_fd=parent)
            fd = entries.create_file(parent, last)
            try:
                with os.fdopen(os.dup(fd), "wb") as file:
                    file.write(content)
                owners.give(fd, *(self.ownership.owner or (0, 0)))
                chmod = self.ownership.chmod
                os.fchmod(fd, chmod.apply(mode, directory=False) if chmod else mode)
                entries.set_times(fd, mtime)
            finally:
                os.close(fd)


def copy_bytes(source: int, target: int) -> None:
    """All of one file into another, in the kernel: shared extents where the file system can, else sendfile."""
    shared = True
    while True:
        try:
            count = os.copy_file_range(source, target, _PIECE) if shared else os.sendfile(target, source, None, _PIECE)
        except OSError as error:
            if not shared or error.errno not in _SHARED_ERRORS:
                raise
            shared = False
            continue
        if count == 0:
            if shared and os.lseek(source, 0, os.SEEK_CUR) == 0 and os.fstat(source).st_size == 0:
                # Files of /proc and the like report no size and give nothing to copy_file_range.
                shared = False
                continue
            return


def kernel_message(error: OSError) -> str:
    """What a failed copy says to the user: the kernel's words, and the file where it is known."""
    if isinstance(error, KernelError):
        return str(error)
    return f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
