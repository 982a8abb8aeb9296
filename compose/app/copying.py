"""Copying between containers and the local file system: the rules of ``docker cp`` for where a copy lands.

Archives from containers are hostile input: `unpacking` writes them.
"""

from __future__ import annotations

import os
import posixpath
import stat
import tarfile
from typing import TYPE_CHECKING, BinaryIO, cast

from ..errors import EngineError, OperationError
from .unpacking import Unpacking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..client import Engine
    from ..client.bodies.containers import PathStat


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


def opened(engine: Engine, container: str, path: str, *, follow: bool) -> tuple[PathStat, Iterator[bytes]]:
    """What ``path`` of the container is, and the blocks of its tar; with ``follow`` of what a symbolic link leads to."""
    if follow:
        found = engine.containers.stat(container, path)
        if found is not None and found.get("linkTarget"):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(path), str(found["linkTarget"])))
    return engine.containers.get_archive(container, path)


def from_container(
    engine: Engine, container: str, path: str, destination: str, *, follow: bool, remark: Callable[[str], None]
) -> None:
    """Copy ``path`` of the container to the local ``destination``. What cannot be made here is left out with a remark; alone,
    it is an error."""
    info, blocks = opened(engine, container, path, follow=follow)
    name = str(info.get("name") or posixpath.basename(path.rstrip("/")))
    if name in (".", "..") or "/" in name.rstrip("/"):
        raise EngineError(f"the engine calls {path} {name!r}, which is no name of a file")
    is_directory = bool(int(info.get("mode") or 0) & (1 << 31))
    contents_only = path.endswith("/.")
    base, rename = _landing(destination, name, is_directory=is_directory, contents_only=contents_only)
    left_out: list[str] = []
    unpacking = Unpacking(base, name, rename, left_out.append)
    try:
        with tarfile.open(fileobj=cast("BinaryIO", Blocks(blocks)), mode="r|") as tar:
            for entry in tar:
                unpacking.write(tar, entry)
    except (tarfile.TarError, ValueError, OverflowError, EOFError) as error:  # tarfile lets some through as they come
        raise EngineError(f"the engine's archive of {path} is no tar stream: {error}") from error
    if not unpacking.made:
        raise OperationError("; ".join(left_out) or f"{path} is a socket, which cannot be copied")
    for one in left_out:
        remark(one)


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


def to_container(
    engine: Engine,
    container: str,
    source: str,
    path: str,
    *,
    archive: bool,
    follow: bool,
    remark: Callable[[str], None],
) -> None:
    """Copy the local ``source`` to ``path`` of the container. Sockets are left out with a remark."""
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
    if stat.S_ISSOCK(info.st_mode):
        raise OperationError(f"{local} is a socket, which cannot be copied")
    engine.containers.put_archive(container, directory, _pack(local, name, remark), copy_uid_gid=archive)


def _pack(local: str, name: str, remark: Callable[[str], None]) -> Iterator[bytes]:
    from ..archives import add_file, member
    from ..build.context import TarSink

    sink = TarSink()
    links: dict[tuple[int, int], str] = {}
    with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for path, relative in _walk(local, name):
            try:
                found = os.lstat(path)
                info = member(found, path, relative)
                if info is None:
                    remark(f"{path} is a socket: left out")
                    continue
                info.uid, info.gid = found.st_uid, found.st_gid
                first = links.setdefault((found.st_dev, found.st_ino), relative) if found.st_nlink > 1 else relative
                if info.isreg() and first != relative:
                    info.type, info.linkname, info.size = tarfile.LNKTYPE, first, 0
                if info.isreg():
                    add_file(tar, info, path)
                else:
                    tar.addfile(info)
            except OSError as error:
                raise OperationError(f"{path}: {error.strerror}") from error
            yield from sink.take()
    yield from sink.take(final=True)


def _walk(local: str, name: str) -> Iterator[tuple[str, str]]:
    yield local, name
    if os.path.isdir(local) and not os.path.islink(local):
        for entry in sorted(os.listdir(local)):
            yield from _walk(os.path.join(local, entry), f"{name}/{entry}" if name != "." else entry)
