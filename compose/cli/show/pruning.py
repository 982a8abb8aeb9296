"""Pruning of one kind of object each, as `prune` of every noun and `system prune` show it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ...errors import UsageError
from . import format

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ...client import Engine

    Filters = Mapping[str, Sequence[str]]


ANONYMOUS = "com.docker.volume.anonymous"


def agreed(warning: str, *, yes: bool) -> bool:
    """Whether the user says yes to ``warning``, on a terminal or through a pipe. No answer is a no."""
    if yes:
        return True
    print(f"{warning}\nAre you sure you want to continue? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _show(heading: str, lines: Iterable[str]) -> None:
    found = list(lines)
    if found:
        print("\n".join([heading, *found, ""]))


def containers(engine: Engine, filters: Filters) -> int:
    """Stopped containers; the bytes won, as for the others."""
    answer = engine.containers.prune(filters)
    _show("Deleted Containers:", answer.get("ContainersDeleted") or ())
    return int(answer.get("SpaceReclaimed") or 0)


def networks(engine: Engine, filters: Filters) -> int:
    _show("Deleted Networks:", engine.networks.prune(filters).get("NetworksDeleted") or ())
    return 0


def volumes(engine: Engine, filters: Filters, *, all: bool) -> int:
    """Anonymous ones nothing uses; with ``all`` named ones too."""
    wanted = {**filters, "all": ["true"]} if all and engine.version >= (1, 42) else filters
    answer = engine.volumes.prune(wanted)
    _show("Deleted Volumes:", answer.get("VolumesDeleted") or ())
    return int(answer.get("SpaceReclaimed") or 0)


def images(engine: Engine, filters: Filters, *, all: bool) -> int:
    """Dangling ones; with ``all`` everything without a container."""
    answer = engine.images.prune({**filters, "dangling": ["false" if all else "true"]})
    items = answer.get("ImagesDeleted") or ()
    pairs = (pair for one in items for pair in (("untagged", one.get("Untagged")), ("deleted", one.get("Deleted"))))
    lines = [f"{word}: {name}" for word, name in pairs if name]
    _show("Deleted Images:", lines)
    return int(answer.get("SpaceReclaimed") or 0)


def build_cache(engine: Engine, filters: Filters, *, all: bool, keep: int = 0) -> int:
    answer = engine.images.prune_build_cache(filters, all=all, keep=keep)
    _show("Deleted build cache objects:", answer.get("CachesDeleted") or ())
    return int(answer.get("SpaceReclaimed") or 0)


def doomed(engine: Engine, filters: Filters, *, all: bool, with_volumes: bool) -> Iterator[tuple[str, str]]:
    """What `system prune` would remove now. The engine's own prune looks again, and takes what becomes free by its first steps
    (networks and images of containers that go) as well. Raises `UsageError` for a filter by time, which listings have not."""
    if "until" in filters:
        raise UsageError("--dry-run does not know what the filter `until` would spare")
    stopped = {**filters, "status": ["created", "exited", "dead"]}
    gone = {row["Id"]: row for row in engine.containers.list(stopped, all=True)}
    for row in gone.values():
        yield f"Container {row['Names'][0].removeprefix('/')}", "Removing"
    yield from (
        (f"Network {one['Name']}", "Removing") for one in engine.networks.list({**filters, "dangling": ["true"]})
    )
    if with_volumes:
        dangling = engine.volumes.list({**filters, "dangling": ["true"]})
        yield from ((f"Volume {one['Name']}", "Removing") for one in dangling if ANONYMOUS in (one.get("Labels") or {}))
    used = {row["ImageID"] for row in engine.containers.list(all=True) if row["Id"] not in gone}
    for image in engine.images.list({**filters, **({} if all else {"dangling": ["true"]})}):
        if image["Id"] not in used:
            names = ", ".join(image.get("RepoTags") or ()) or image["Id"].removeprefix("sha256:")[:12]
            yield f"Image {names}", "Removing"
    unused = [one for one in engine.system.disk_usage().get("BuildCache") or () if not one.get("InUse")]
    if unused:
        size = sum(int(one.get("Size") or 0) for one in unused if not one.get("Shared"))
        yield f"Build cache, {len(unused)} entries", f"Removing: {format.size(size, 4)}"


def reclaimed(count: int) -> None:
    print(f"Total reclaimed space: {format.size(count, 4)}")
