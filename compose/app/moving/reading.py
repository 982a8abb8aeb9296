"""A volume's content read from an engine that is not ours, and written to one.

An archive of a container's directory is all that the Engine API offers. A container that has the volume serves, running or not;
where there is none, one is made and never started, with the volume at a path that no image has, so that nothing of the image gets
into the volume, and is removed afterwards.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import tarfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ...errors import EngineError, OperationError
from .inventory import HELPER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ...client import Engine

_ABOVE, _NAME = "/.pycompose-moving", "volume"
_PATH = f"{_ABOVE}/{_NAME}"
_BEGINNING = 1 << 16
"""Bytes within which an archive's first member has told everything of itself."""

_FILLING = f"{HELPER}.into"
"""On a helper that writes. While there is one, what the volume holds is ours, and may be a part."""


def archive(engine: Engine, volume: str) -> Iterator[bytes]:
    """The volume as a tar. Raises `EngineError`, `OperationError`."""
    if engine.is_pycompose:
        yield from engine.volumes.export(volume)
        return
    for row in engine.containers.list({"volume": [volume]}, all=True):
        for mount in row.get("Mounts") or ():
            if mount.get("Type") == "volume" and mount.get("Name") == volume and HELPER not in row["Labels"]:
                yield from _directory(engine, row["Id"], mount["Destination"])
                return
    with helper(engine, volume, read_only=True) as container:
        yield from _directory(engine, container, _PATH)


def _directory(engine: Engine, container: str, path: str) -> Iterator[bytes]:
    """A directory with what is in it. podman leaves the directory itself out, so its owner and mode come from another look."""
    blocks = engine.containers.get_archive(container, f"{path}/.")[1]
    first = b""
    for block in blocks:
        first += block
        if len(first) >= tarfile.BLOCKSIZE:
            break
    name = first[:100].rstrip(b"\0")
    if name not in (b".", b"PaxHeaders.0") and not name.startswith(b"./"):
        yield _root(engine, container, path)
    yield first
    yield from blocks


def _root(engine: Engine, container: str, path: str) -> bytes:
    """The directory's own header, under the name of the archive's root."""
    with tarfile.open(fileobj=_Head(engine.containers.get_archive(container, path)[1]), mode="r|") as tar:
        found = tar.next()
    if found is None:
        raise OperationError(f"{engine.endpoint.address} does not tell who owns {path} of {container}")
    found.name = "./"
    return found.tobuf(tarfile.PAX_FORMAT)


class _Head(io.RawIOBase):
    """Blocks as a file that is read from its beginning."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._held = b""

    def read(self, size: int = -1) -> bytes:
        while len(self._held) < size and (block := next(self._blocks, b"")):
            self._held += block
        data, self._held = self._held[:size], self._held[size:]
        return data


def fill(engine: Engine, volume: str, blocks: Iterable[bytes]) -> None:
    """Put a tar's content into a volume of an engine that is not ours."""
    beginning: list[bytes] = []

    def kept() -> Iterator[bytes]:
        held = 0
        for block in blocks:
            if held < _BEGINNING:
                beginning.append(block)
                held += len(block)
            yield block

    with helper(engine, volume, read_only=False) as container:
        engine.containers.put_archive(container, _PATH, kept())
        if root := _first(iter(beginning)):
            # An archive's root is nothing to dockerd; as a member it gets its owner and mode.
            root.name = f"{_NAME}/"
            engine.containers.put_archive(
                container, _ABOVE, root.tobuf(tarfile.PAX_FORMAT) + bytes(2 * tarfile.BLOCKSIZE)
            )


def _first(blocks: Iterator[bytes]) -> tarfile.TarInfo | None:
    """The first member of an archive, if that is its root."""
    with tarfile.open(fileobj=_Head(blocks), mode="r|") as tar:
        found = tar.next()
    return found if found is not None and found.name in (".", "./", "") else None


def is_unfinished(engine: Engine, volume: str) -> bool:
    """Whether an earlier run was cut off while it filled the volume."""
    return bool(engine.containers.list({"label": [f"{_FILLING}={volume}"]}, all=True))


@contextmanager
def helper(engine: Engine, volume: str, *, read_only: bool) -> Iterator[str]:
    """A container that has the volume and never runs. One that an earlier run has left goes first; what goes wrong while it is
    written to leaves it there, as the sign that the volume is unfinished."""
    for row in engine.containers.list({"label": [f"{HELPER}={volume}"]}, all=True):
        engine.containers.remove(row["Id"], force=True)
    name = f"pycompose-moving-{hashlib.sha256(volume.encode()).hexdigest()[:12]}"
    mount = {
        "Type": "volume",
        "Source": volume,
        "Target": _PATH,
        "ReadOnly": read_only,
        "VolumeOptions": {"NoCopy": True},
    }
    body = {
        "Image": _any_image(engine, volume),
        "Entrypoint": ["true"],
        "Labels": {HELPER: volume} if read_only else {HELPER: volume, _FILLING: volume},
        "NetworkDisabled": True,
        "HostConfig": {"NetworkMode": "none", "Mounts": [mount]},
    }
    container = engine.containers.create(body, name)["Id"]
    try:
        yield container
    except BaseException:
        if read_only:
            with contextlib.suppress(EngineError):  # what went wrong says more
                engine.containers.remove(container, force=True)
        raise
    engine.containers.remove(container, force=True)


def _any_image(engine: Engine, volume: str) -> str:
    found = engine.images.list()
    if not found:
        raise OperationError(
            f"volume {volume} is in no container of the engine at {engine.endpoint.address}, which has no image either to make one"
            " from: pull any there, it is not run"
        )
    return min(found, key=lambda row: row.get("Size") or 0)["Id"]
