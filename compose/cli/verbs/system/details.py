"""The long form of `pycompose system df -v`: every image, container, volume and cache record with its size."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ...flags.parser import FlagError
from ...show import format, legible
from ..image.ls import image_rows
from ..ps import row as container_row
from ..volume.ls import volume_row
from .usage import build_cache_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ....client.bodies.containers import ContainerRow
    from ....client.bodies.images import ImageRow
    from ....client.bodies.system import CacheRow, DiskUsage
    from ....client.bodies.volumes import Volume

IMAGES = (
    ("REPOSITORY", "Repository"),
    ("TAG", "Tag"),
    ("IMAGE ID", "ID"),
    ("CREATED", "CreatedSince"),
    ("SIZE", "Size"),
    ("SHARED SIZE", "SharedSize"),
    ("UNIQUE SIZE", "UniqueSize"),
    ("CONTAINERS", "Containers"),
)
CONTAINERS = (
    ("CONTAINER ID", "ID"),
    ("IMAGE", "Image"),
    ("COMMAND", "Command"),
    ("LOCAL VOLUMES", "LocalVolumes"),
    ("SIZE", "Size"),
    ("CREATED", "RunningFor"),
    ("STATUS", "Status"),
    ("NAMES", "Names"),
)
VOLUMES = (("VOLUME NAME", "Name"), ("LINKS", "Links"), ("SIZE", "Size"))
CACHE = (
    ("CACHE ID", "ID"),
    ("CACHE TYPE", "CacheType"),
    ("SIZE", "Size"),
    ("CREATED", "CreatedSince"),
    ("LAST USED", "LastUsedSince"),
    ("USAGE", "UsageCount"),
    ("SHARED", "Shared"),
)


def show_details(usage: DiskUsage, form: str | None) -> None:
    """Print four tables, JSON, or a template over ``.Images``, ``.Containers``, ``.Volumes`` and ``.BuildCache``."""
    full = form == "json"
    images = [row for tree in usage.get("Images") or () for row in _images(tree, full)]
    containers = [
        {**container_row(tree, truncate=not full), "Size": _written(tree)} for tree in usage.get("Containers") or ()
    ]
    volumes = [_volume(tree) for tree in usage.get("Volumes") or ()]
    cache = [_cache(tree, full) for tree in usage.get("BuildCache") or ()]
    if form not in (None, "table"):
        rows = {"Images": images, "Containers": containers, "Volumes": volumes, "BuildCache": cache}
        print(_formatted(str(form), rows))
        return
    for heading, columns, found in (
        ("Images space usage:", IMAGES, images),
        ("Containers space usage:", CONTAINERS, containers),
        ("Local Volumes space usage:", VOLUMES, volumes),
        (f"Build cache usage: {format.size(build_cache_size(usage), 4)}", CACHE, cache),
    ):
        print(f"{heading}\n\n{format.show(None, found, columns)}" + ("\n" if columns is not CACHE else ""))


def _formatted(form: str, rows: Mapping[str, list[format.Row]]) -> str:
    plain = {
        name: [{key: value for key, value in row.items() if not key.startswith("_")} for row in found]
        for name, found in rows.items()
    }
    if form == "json":
        return legible.json(json.dumps(plain, separators=(",", ":"), ensure_ascii=False))
    from ...show.gotemplate import Template, TemplateError

    try:
        return Template(form).render(plain)
    except TemplateError as error:
        raise FlagError(f"template parsing error: {error}") from None


def _images(tree: ImageRow, full: bool) -> list[format.Row]:
    shared, whole = int(tree.get("SharedSize") or 0), int(tree.get("Size") or 0)
    unique = "N/A" if shared == -1 else format.size(whole - shared, 4)
    more = {
        "Containers": str(tree.get("Containers") or 0),
        "SharedSize": "N/A" if shared == -1 else format.size(shared, 4),
        "UniqueSize": unique,
    }
    return [{**row, **more} for row in image_rows(tree, full)]


def _written(tree: ContainerRow) -> str:
    return format.size(int(tree.get("SizeRw") or 0))


def _volume(tree: Volume) -> format.Row:
    usage = tree.get("UsageData") or {}
    return {
        **volume_row(tree),
        "Links": str(usage.get("RefCount", "N/A")),
        "Size": format.size(int(usage.get("Size") or 0), 4),
    }


def _since(moment: str | None) -> str:
    """How long ago; "" for none and for Go's zero time."""
    from datetime import datetime

    if not moment or moment.startswith("0001-"):
        return ""
    return format.ago(datetime.fromisoformat(moment[:19] + "+00:00").timestamp())


def _cache(tree: CacheRow, full: bool) -> format.Row:
    identity = str(tree.get("ID") or "")
    return {
        "CacheType": tree.get("Type") or "",
        "CreatedSince": _since(tree.get("CreatedAt")),
        "Description": tree.get("Description") or "",
        "ID": identity if full else identity[:12] + ("*" if tree.get("Mutable") else ""),
        "InUse": str(bool(tree.get("InUse"))).lower(),
        "LastUsedSince": _since(tree.get("LastUsedAt")),
        "Shared": str(bool(tree.get("Shared"))).lower(),
        "Size": format.size(int(tree.get("Size") or 0)),
        "UsageCount": str(tree.get("UsageCount") or 0),
    }
