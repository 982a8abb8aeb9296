"""GET /system/df: what images, containers, volumes and the build cache take on the disk."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...containers.view import inspect
from ...errors import InvalidParameter
from ..http import Response
from ..router import Route
from ..versions import fitted
from .containers import sizes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...containers.life.container import Container
    from ...containers.spec.shown import ContainerSummary
    from ...images.types import Image
    from ..bodies import Share, Usage
    from ..daemon import Daemon
    from ..http import Request

_KINDS = ("container", "image", "volume", "build-cache")


@dataclass(frozen=True, slots=True)
class _Part:
    """One kind of things. ``used`` is the size of what is in use, ``active`` how many are."""

    items: Sequence[object]
    active: int
    size: int
    used: int

    def brief(self, *, verbose: bool) -> Share:
        share: Share = {
            "ActiveCount": self.active,
            "TotalCount": len(self.items),
            "Reclaimable": self.size - self.used,
            "TotalSize": self.size,
        }
        if verbose and self.items:
            share["Items"] = list(self.items)
        return share


def shared_sizes(images: Sequence[Image]) -> dict[str, int]:
    """By image id, the bytes of its layers that others have as well."""
    holders = Counter(layer.chain_id for image in images for layer in image.layers)
    return {image.id: sum(one.size for one in image.layers if holders[one.chain_id] > 1) for image in images}


def _size(images: Sequence[Image]) -> int:
    return sum({layer.chain_id: layer.size for image in images for layer in image.layers}.values())


async def disk_usage(daemon: Daemon, request: Request) -> Response:
    """Up to API 1.52 the things themselves with some totals, from then on counts and sizes, with the things when asked."""
    kinds = request.query.get("type") or _KINDS
    for kind in kinds:
        if kind not in _KINDS:
            raise InvalidParameter(f"unknown object type: {kind}")
    verbose = request.flag("verbose")
    body: Usage = {"LayersSize": 0, "Images": None, "Containers": None, "Volumes": None, "BuildCache": None}
    if "image" in kinds:
        part = await _images(daemon, request)
        body["Images"], body["LayersSize"] = list(part.items), part.size
        body["ImageUsage"] = part.brief(verbose=verbose)
        if request.flag("layers-in-use"):
            body["LayersInUse"] = part.used
    if "container" in kinds:
        part = await _containers(daemon, request)
        body["Containers"], body["ContainerUsage"] = list(part.items), part.brief(verbose=verbose)
    if "volume" in kinds:
        part = await _volumes(daemon)
        body["Volumes"], body["VolumeUsage"] = list(part.items), part.brief(verbose=verbose)
    if "build-cache" in kinds:
        part = await _build_cache(daemon)
        body["BuildCache"], body["BuilderSize"] = list(part.items), part.size
        body["BuildCacheUsage"] = part.brief(verbose=verbose)
    if verbose and request.version >= (1, 52):
        del body["LayersSize"], body["Images"], body["Containers"], body["Volumes"], body["BuildCache"]
    return Response.json(fitted("usage", body, request.version))


async def _images(daemon: Daemon, request: Request) -> _Part:
    images = await daemon.containers.blocking(daemon.images.list)
    shared = shared_sizes(images)
    used = [image for image in images if daemon.containers.image_users(image.id)]
    rows = []
    indexed = await daemon.containers.blocking(daemon.images.indexed)
    for image in images:
        row = daemon.images.summary(image, indexed)
        row["Containers"] = len(daemon.containers.image_users(image.id))
        row["SharedSize"] = shared[image.id]
        rows.append(fitted("image row", row, request.version))
    return _Part(rows, len(used), _size(images), _size(used))


async def _containers(daemon: Daemon, request: Request) -> _Part:
    containers = list(daemon.containers)
    rows = [await _container(daemon, container, request) for container in containers]
    active = [row for row, container in zip(rows, containers, strict=True) if container.state.active]
    size, used = (sum(row.get("SizeRw", 0) for row in some) for some in (rows, active))
    return _Part(rows, len(active), size, used)


async def _container(daemon: Daemon, container: Container, request: Request) -> ContainerSummary:
    name = container.record.spec.image
    row = inspect.summary(daemon.containers, container, time.time_ns(), version=request.version, image_name=name)
    row["SizeRw"], row["SizeRootFs"] = await sizes(daemon, container)
    return fitted("container row", row, request.version)


async def _volumes(daemon: Daemon) -> _Part:
    volumes = await daemon.containers.blocking(daemon.volumes.list)
    sizes = [await daemon.containers.blocking(daemon.volumes.usage, one) for one in volumes]
    rows = [{**daemon.volumes.inspect(one), "UsageData": size} for one, size in zip(volumes, sizes, strict=True)]
    used = [size for size in sizes if size["RefCount"] > 0]
    return _Part(rows, len(used), *(sum(max(size["Size"], 0) for size in some) for some in (sizes, used)))


async def _build_cache(daemon: Daemon) -> _Part:
    rows = await daemon.containers.blocking(daemon.builder.usage)
    used = [row for row in rows if row.get("InUse")]
    kept = sum(row["Size"] for row in used if not row.get("Shared"))
    return _Part(rows, len(used), sum(row["Size"] for row in rows), kept)


ROUTES = (Route("GET", "/system/df", disk_usage),)
