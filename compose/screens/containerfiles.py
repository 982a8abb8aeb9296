"""Files of a container as the engine's archives tell them: what is in a directory, how a file begins. Synchronous; called from
worker threads. Nothing is run in the container, so one without a shell, or one that has ended, can be looked at as well."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, NamedTuple

from ..errors import OperationError
from .loglines import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..client import Engine

ENTRIES = 500
LISTING_LIMIT = 32 * 1024 * 1024
"""So many entries of a directory, and so many bytes of its archive, are looked at."""

TEXT_LIMIT = 256 * 1024
"""Bytes of a file that are shown."""


class Entry(NamedTuple):
    """``kind`` is directory, link or file; ``size`` in bytes; ``at`` in seconds since the epoch, 0 for unknown."""

    name: str
    kind: str
    size: int
    at: float


class Listing(NamedTuple):
    """What is directly in a directory, directories first; ``whole`` is False when there was more than is looked at. ``stat`` is
    the engine's word on the directory itself."""

    stat: Mapping[str, object]
    entries: tuple[Entry, ...]
    whole: bool


class Beginning(NamedTuple):
    """Of a regular file, ``size`` bytes long. ``text`` is "" for what is ``binary``."""

    text: str
    binary: bool
    size: int
    whole: bool


class _Source(io.RawIOBase):
    """Blocks of an archive as a file, to its bound."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = b""
        self._left = LISTING_LIMIT

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while len(self._rest) < size and self._left > 0:
            block = next(self._blocks, b"")
            if not block:
                break
            self._left -= len(block)
            self._rest += block
        found, self._rest = self._rest[:size], self._rest[size:]
        return found


TOP = [
    "app",
    "bin",
    "boot",
    "data",
    "etc",
    "home",
    "media",
    "mnt",
    "opt",
    "root",
    "run",
    "sbin",
    "srv",
    "tmp",
    "usr",
    "var",
]
"""What is looked for in ``/``: its archive would be the whole file system, devices and all."""


def _top(engine: Engine, identity: str) -> Listing:
    tree = engine.containers.inspect(identity)
    paths = [f"/{name}" for name in TOP]
    paths += [str((tree.get("Config") or {}).get("WorkingDir") or "")]
    paths += [str(one.get("Destination")) for one in tree.get("Mounts") or ()]
    paths += [f"/{str(one['Path']).split('/')[1]}" for one in engine.containers.changes(identity)]
    found = []
    for path in sorted(set(paths)):
        stat = engine.containers.stat(identity, path) if path.strip("/") else None
        if stat is not None:
            is_directory = bool(int(stat.get("mode") or 0) & (1 << 31)) or bool(stat.get("linkTarget"))
            kind = "directory" if is_directory else "file"
            found.append(Entry(path.strip("/"), kind, int(stat.get("size") or 0), 0))
    return Listing({}, tuple(found), whole=False)


def directory(engine: Engine, identity: str, path: str) -> Listing:
    """Raises `ComposeError` for what cannot be asked for."""
    if not path.strip("/"):
        return _top(engine, identity)
    stat, blocks = engine.containers.get_archive(identity, path)
    found: list[Entry] = []
    whole = True
    try:
        with tarfile.open(fileobj=_Source(blocks), mode="r|") as archive:
            for member in archive:
                parts = member.name.strip("/").split("/")
                if len(parts) == 2 and parts[1]:
                    kind = "directory" if member.isdir() else "link" if member.issym() else "file"
                    found.append(Entry(parts[1], kind, member.size, member.mtime))
                if len(found) >= ENTRIES:
                    whole = False
                    break
    except (tarfile.TarError, EOFError):
        whole = False
    finally:
        _close(blocks)
    ordered = sorted(found, key=lambda one: (one.kind != "directory", one.name))
    return Listing(dict(stat), tuple(ordered), whole)


def beginning(engine: Engine, identity: str, path: str) -> Beginning:
    """Raises `OperationError` for what is no regular file."""
    _, blocks = engine.containers.get_archive(identity, path)
    try:
        with tarfile.open(fileobj=_Source(blocks), mode="r|") as archive:
            member = archive.next()
            content = archive.extractfile(member) if member is not None and member.isreg() else None
            if member is None or content is None:
                raise OperationError(f"{path} is no regular file")
            raw, size = content.read(TEXT_LIMIT), member.size
    except (tarfile.TarError, EOFError):
        raise OperationError(f"{path} cannot be read") from None
    finally:
        _close(blocks)
    text = "\n".join(plain(line) for line in raw.decode("utf-8", "replace").split("\n"))
    return Beginning("" if b"\0" in raw else text, b"\0" in raw, size, size <= TEXT_LIMIT)


def _close(blocks: Iterator[bytes]) -> None:
    """Let go of an answer that was not read to its end."""
    close = getattr(blocks, "close", None)
    if close is not None:
        close()
