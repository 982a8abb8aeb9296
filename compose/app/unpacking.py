"""A tar from a container, written locally. It is hostile input: entries are written beneath the destination only, links are
never followed, devices and special modes are left out.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import stat
from typing import TYPE_CHECKING

from ..errors import OperationError

if TYPE_CHECKING:
    import tarfile
    from collections.abc import Callable, Iterator

_BLOCK = 1024 * 1024
_HOLE = bytes(4096)


class Unpacking:
    """Writes the entries of an archive of ``name`` into the directory ``base``, where it is called ``rename`` ("": only its
    content comes). What is left out is told to ``remark``."""

    def __init__(self, base: str, name: str, rename: str, remark: Callable[[str], None]) -> None:
        self._base = base
        self._name = name
        self._rename = rename
        self._remark = remark
        self.made = 0

    def write(self, tar: tarfile.TarFile, entry: tarfile.TarInfo) -> None:
        relative = self._relative(entry.name)
        if relative is None:
            self.made += 1
            return
        if not (entry.isreg() or entry.isdir() or entry.issym() or entry.islnk() or entry.isfifo()):
            self._remark(f"{entry.name} is a device: left out")
            return
        try:
            with self._parent(relative) as (directory, last):
                if entry.islnk():
                    self._link(entry, directory, last)
                else:
                    _write_entry(tar, entry, directory, last)
        except OSError as error:
            raise OperationError(f"{os.path.join(self._base, relative)}: {error.strerror}") from error
        self.made += 1

    def _relative(self, member: str) -> str | None:
        """A member's place beneath the landing directory; None for the directory itself, whose content comes."""
        parts = [part for part in member.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise OperationError(f"refusing to unpack {member!r}: it leads out of the destination")
        if parts and parts[0] == self._name:
            parts = parts[1:]
        if self._rename:
            parts.insert(0, self._rename)
        return posixpath.join(*parts) if parts else None

    @contextlib.contextmanager
    def _parent(self, relative: str, *, make: bool = True) -> Iterator[tuple[int, str]]:
        """The directory of ``relative``, opened step by step so that no link planted on the way is followed, and the last
        name."""
        *parents, last = relative.split("/")
        handle = os.open(self._base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in parents:
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(part, 0o755, dir_fd=handle)
                inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=handle)
                os.close(handle)
                handle = inner
            yield handle, last
        finally:
            os.close(handle)

    def _link(self, entry: tarfile.TarInfo, directory: int, name: str) -> None:
        """A second name of a file that came before, in this archive."""
        earlier = self._relative(entry.linkname)
        if earlier is None:
            raise OperationError(f"refusing to unpack {entry.name!r}: it is a link to the destination")
        with self._parent(earlier, make=False) as (home, first):
            if not stat.S_ISREG(os.stat(first, dir_fd=home, follow_symlinks=False).st_mode):
                raise OperationError(f"refusing to unpack {entry.name!r}: it is a link to what is no file")
            _make_room(directory, name)
            os.link(first, name, src_dir_fd=home, dst_dir_fd=directory, follow_symlinks=False)


def _make_room(directory: int, name: str) -> None:
    try:
        existing = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return
    if stat.S_ISDIR(existing.st_mode):
        raise OperationError(f"cannot overwrite directory {name} with a file")
    os.unlink(name, dir_fd=directory)


def _write_entry(tar: tarfile.TarFile, entry: tarfile.TarInfo, directory: int, name: str) -> None:
    mode = stat.S_IMODE(entry.mode) & 0o777
    if entry.isdir():
        try:
            os.mkdir(name, mode, dir_fd=directory)
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
                raise
        return
    _make_room(directory, name)
    if entry.issym():
        os.symlink(entry.linkname, name, dir_fd=directory)
        return
    if entry.isfifo():
        os.mkfifo(name, mode, dir_fd=directory)
        return
    _write_file(tar, entry, directory, name, mode)


def _write_file(tar: tarfile.TarFile, entry: tarfile.TarInfo, directory: int, name: str, mode: int) -> None:
    """The content; what is zero in whole blocks stays a hole."""
    source = tar.extractfile(entry)
    assert source is not None
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(name, flags, mode, dir_fd=directory), "wb") as file:
        while data := source.read(_BLOCK):
            if len(data) >= len(_HOLE) and not data.strip(b"\0"):
                file.seek(len(data), os.SEEK_CUR)
            else:
                file.write(data)
        file.truncate()
    with contextlib.suppress(OverflowError):  # a container may give its files times that there are not here
        os.utime(name, (entry.mtime, entry.mtime), dir_fd=directory, follow_symlinks=False)
