"""Copying between containers and the local file system: the rules of ``docker cp`` for where a copy lands.

Archives from containers are hostile input: locally, entries are written beneath the destination only, links are never
followed, devices and special modes are left out.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import stat
import sys
import tarfile
from typing import TYPE_CHECKING, BinaryIO, cast

from ..errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..client import Engine

_BLOCK = 1024 * 1024


class Blocks:
    """An iterable of blocks as a file to read from."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._buffer = b""

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self._buffer) < size:
            block = next(self._blocks, None)
            if block is None:
                break
            self._buffer += block
        if size < 0:
            data, self._buffer = self._buffer, b""
        else:
            data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data


def from_container(engine: Engine, container: str, path: str, destination: str, *, follow: bool) -> None:
    """Copy ``path`` of the container to the local ``destination``; ``-`` writes the tar to stdout."""
    if follow:
        found = engine.containers.stat(container, path)
        if found is not None and found.get("linkTarget"):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(path), str(found["linkTarget"])))
    info, blocks = engine.containers.get_archive(container, path)
    if destination == "-":
        for block in blocks:
            sys.stdout.buffer.write(block)
        sys.stdout.buffer.flush()
        return
    name = str(info.get("name") or posixpath.basename(path.rstrip("/")))
    is_directory = bool(int(info.get("mode") or 0) & (1 << 31))
    contents_only = path.endswith("/.")
    base, rename = _landing(destination, name, is_directory=is_directory, contents_only=contents_only)
    with tarfile.open(fileobj=cast("BinaryIO", Blocks(blocks)), mode="r|") as tar:
        for member in tar:
            relative = _relative(member.name, name, rename, contents_only=contents_only)
            if relative is not None:
                _write(tar, member, base, relative)


def _landing(destination: str, name: str, *, is_directory: bool, contents_only: bool) -> tuple[str, str]:
    """The local directory to unpack into, and what the copied thing is called there."""
    exists = os.path.exists(destination)
    if os.path.isdir(destination):
        return destination, "" if contents_only else name
    if destination.endswith("/") and not is_directory:
        raise OperationError(f"destination directory {destination} does not exist")
    if exists and is_directory:
        raise OperationError("cannot copy directory")
    parent = os.path.dirname(os.path.abspath(destination.rstrip("/")))
    if not os.path.isdir(parent):
        raise OperationError(f'invalid output path: directory "{parent}" does not exist')
    return parent, os.path.basename(os.path.abspath(destination))


def _relative(member: str, name: str, rename: str, *, contents_only: bool) -> str | None:
    """A member's place beneath the landing directory."""
    parts = [part for part in member.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise OperationError(f"refusing to unpack {member!r}: it leads out of the destination")
    if parts and parts[0] == name:
        parts = parts[1:]
    return posixpath.join(rename, *parts) if rename else posixpath.join(*parts) if parts else None


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, base: str, relative: str) -> None:
    """Write one entry beneath ``base`` through directory handles, so that no link planted on the way is followed."""
    *parents, last = relative.split("/")
    handle = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parents:
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, 0o755, dir_fd=handle)
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=handle)
            os.close(handle)
            handle = inner
        _write_entry(tar, member, handle, last)
    except OSError as error:
        raise OperationError(f"{os.path.join(base, relative)}: {error.strerror}") from error
    finally:
        os.close(handle)


def _write_entry(tar: tarfile.TarFile, member: tarfile.TarInfo, directory: int, name: str) -> None:
    mode = stat.S_IMODE(member.mode) & 0o777
    if member.isdir():
        try:
            os.mkdir(name, mode, dir_fd=directory)
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
                raise
        return
    try:
        existing = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        existing = None
    if existing is not None:
        if stat.S_ISDIR(existing.st_mode):
            raise OperationError(f"cannot overwrite directory {name} with a file")
        os.unlink(name, dir_fd=directory)
    if member.issym():
        os.symlink(member.linkname, name, dir_fd=directory)
    elif member.isreg():
        source = tar.extractfile(member)
        assert source is not None
        handle = os.open(
            name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=directory
        )
        with open(handle, "wb") as file:
            while data := source.read(_BLOCK):
                file.write(data)
        os.utime(name, (member.mtime, member.mtime), dir_fd=directory, follow_symlinks=False)


def to_container(engine: Engine, container: str, source: str, path: str, *, archive: bool, follow: bool) -> None:
    """Copy the local ``source`` (``-``: a tar on stdin) to ``path`` of the container."""
    if source == "-":
        from .streams import read_blocks

        engine.containers.put_archive(container, path, read_blocks(None), copy_uid_gid=archive)
        return
    contents_only = source.endswith("/.")
    local = os.path.realpath(source) if follow else source.rstrip("/") or "/"
    try:
        info = os.lstat(local)
    except OSError as error:
        raise OperationError(f"lstat {local}: {str(error.strerror).lower()}") from error
    found = engine.containers.stat(container, path)
    if found is not None and found.get("linkTarget"):
        target = str(found["linkTarget"])
        path = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        found = engine.containers.stat(container, path)
    into = found is not None and bool(int(found.get("mode") or 0) & (1 << 31))
    if into:
        directory = path
        name = "." if contents_only else os.path.basename(os.path.abspath(local))
    else:
        if found is not None and stat.S_ISDIR(info.st_mode):
            raise OperationError("cannot copy directory")
        if path.endswith("/") and not stat.S_ISDIR(info.st_mode):
            raise OperationError("no such directory")
        directory, name = posixpath.split(path.rstrip("/"))
        directory = directory or "/"
    engine.containers.put_archive(container, directory, _pack(local, name), copy_uid_gid=archive)


def _pack(local: str, name: str) -> Iterator[bytes]:
    from ..build.context import TarSink

    sink = TarSink()

    with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for path, relative in _walk(local, name):
            info = tar.gettarinfo(path, arcname=relative)
            if info.isreg():
                with open(path, "rb") as file:
                    tar.addfile(info, file)
            else:
                tar.addfile(info)
            yield from sink.take()
    yield from sink.take(final=True)


def _walk(local: str, name: str) -> Iterator[tuple[str, str]]:
    yield local, name
    if os.path.isdir(local) and not os.path.islink(local):
        for entry in sorted(os.listdir(local)):
            yield from _walk(os.path.join(local, entry), f"{name}/{entry}" if name != "." else entry)
