"""What the page asks for when somebody looks closer: one container, one image, a directory in a container. Synchronous; called
from worker threads."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

from ...app.report import container_lines
from ...client import NotFound
from ...load.explain import mask
from ..loglines import plain
from ..store import read
from .views import sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...client import Engine
    from ..store.state import State, Usage

Section = dict[str, object]

ENTRIES = 500
LISTING_LIMIT = 32 * 1024 * 1024
"""So many entries of a directory, and so many bytes of its archive, are looked at."""

PROBES = 20

TEXT_LIMIT = 256 * 1024
"""Bytes of a file that are shown."""


def container(engine: Engine, identity: str, state: State) -> Section:
    """Environment (secrets masked), probes, limits and what it tells of its trouble."""
    tree = engine.containers.inspect(identity)
    config, host, now = tree.get("Config") or {}, tree.get("HostConfig") or {}, tree.get("State") or {}
    pairs = [str(one).partition("=")[::2] for one in config.get("Env") or ()]
    health = now.get("Health") or {}
    return {
        "id": str(tree.get("Id")),
        "name": str(tree.get("Name") or "").removeprefix("/"),
        "command": [*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())],
        "user": config.get("User") or "",
        "directory": config.get("WorkingDir") or "",
        "restart": (host.get("RestartPolicy") or {}).get("Name") or "no",
        "restarts": tree.get("RestartCount") or 0,
        "memory": host.get("Memory") or 0,
        "started": now.get("StartedAt") or "",
        "finished": now.get("FinishedAt") or "",
        "environment": [[name, str(mask(("services", "", "environment", name), value))] for name, value in pairs],
        "test": (config.get("Healthcheck") or {}).get("Test") or [],
        "failing": health.get("FailingStreak") or 0,
        "probes": [
            {
                "at": one.get("Start") or "",
                "end": one.get("End") or "",
                "code": one.get("ExitCode"),
                "output": plain(str(one.get("Output") or ""))[:2000],
            }
            for one in (health.get("Log") or [])[-PROBES:]
        ],
        "report": [plain(line) for line in container_lines(engine, identity)],
        "usage": [sample(one) for one in _hour(engine, str(tree.get("Id")), state)],
    }


def _hour(engine: Engine, identity: str, state: State) -> Sequence[Usage]:
    """The last hour: what our own engine has kept, and what was sampled here."""
    seen = state.usage.get(identity, ())
    if not engine.is_pycompose:
        return seen
    try:
        return read.history(engine.containers.hour(identity), seen)
    except NotFound:
        return seen  # it is gone, or the engine is one that keeps none


def image(engine: Engine, ref: str) -> Section:
    """Layers from the base up, with their sizes and what made them."""
    return {
        "layers": [
            {"by": plain(str(one.get("CreatedBy") or "")), "size": one.get("Size") or 0, "tags": one.get("Tags") or []}
            for one in reversed(engine.images.history(ref))
        ]
    }


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


def _top(engine: Engine, identity: str) -> Section:
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
            found.append({"name": path.strip("/"), "kind": kind, "size": stat.get("size") or 0, "at": 0})
    return {"stat": {}, "entries": found, "whole": False}


def directory(engine: Engine, identity: str, path: str) -> Section:
    """What is directly in ``path``; ``whole`` is False when there was more than is looked at."""
    if not path.strip("/"):
        return _top(engine, identity)
    stat, blocks = engine.containers.get_archive(identity, path)
    found: list[Section] = []
    whole = True
    try:
        with tarfile.open(fileobj=_Source(blocks), mode="r|") as archive:
            for member in archive:
                parts = member.name.strip("/").split("/")
                if len(parts) == 2 and parts[1]:
                    kind = "directory" if member.isdir() else "link" if member.issym() else "file"
                    found.append({"name": parts[1], "kind": kind, "size": member.size, "at": member.mtime})
                if len(found) >= ENTRIES:
                    whole = False
                    break
    except (tarfile.TarError, EOFError):
        whole = False
    finally:
        _close(blocks)
    return {
        "stat": dict(stat),
        "entries": sorted(found, key=lambda one: (one["kind"] != "directory", one["name"])),
        "whole": whole,
    }


def file(engine: Engine, identity: str, path: str) -> Section:
    """The beginning of a regular file as text; ``binary`` says that it is none."""
    _, blocks = engine.containers.get_archive(identity, path)
    raw, size = b"", 0
    try:
        with tarfile.open(fileobj=_Source(blocks), mode="r|") as archive:
            member = archive.next()
            content = archive.extractfile(member) if member is not None and member.isreg() else None
            if member is None or content is None:
                return {"error": f"{path} is no regular file"}
            raw, size = content.read(TEXT_LIMIT), member.size
    except (tarfile.TarError, EOFError):
        return {"error": f"{path} cannot be read"}
    finally:
        _close(blocks)
    text = "\n".join(plain(line) for line in raw.decode("utf-8", "replace").split("\n"))
    return {"text": "" if b"\0" in raw else text, "binary": b"\0" in raw, "size": size, "whole": size <= TEXT_LIMIT}


def _close(blocks: Iterator[bytes]) -> None:
    """Let go of an answer that was not read to its end."""
    close = getattr(blocks, "close", None)
    if close is not None:
        close()
