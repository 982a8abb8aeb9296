"""`pycompose system df`: what images, containers, volumes and the build cache take on the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...session import Session
from ...show import format
from .usage import build_cache_size

if TYPE_CHECKING:
    from argparse import Namespace

    from ....client.bodies.system import DiskUsage
    from ....client.bodies.volumes import Volume
    from ...flags.parser import Parser


COLUMNS = (
    ("TYPE", "Type"),
    ("TOTAL", "TotalCount"),
    ("ACTIVE", "Active"),
    ("SIZE", "Size"),
    ("RECLAIMABLE", "Reclaimable"),
)
ALIVE = ("running", "paused", "restarting")


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--format", metavar="FORMAT", help="table, json, 'table TEMPLATE' or TEMPLATE")
    parser.add_argument("-v", "--verbose", action="store_true", help="Show detailed information on space usage")


def run(args: Namespace) -> int:
    usage = Session(args).engine.system.disk_usage()
    if args.verbose:
        from .details import show_details

        show_details(usage, args.format)
        return 0
    text = format.show(args.format, summary(usage), COLUMNS)
    if text:
        print(text)
    return 0


def summary(usage: DiskUsage) -> list[format.Row]:
    """The four rows of the table. Our engine tells which layers images in use have, others only what no image shares."""
    images = usage.get("Images") or ()
    containers = usage.get("Containers") or ()
    volumes = usage.get("Volumes") or ()
    cache = usage.get("BuildCache") or ()
    layers = int(usage.get("LayersSize") or 0)
    used = int(usage.get("LayersInUse") or 0) or sum(
        int(one["Size"]) - int(one["SharedSize"])
        for one in images
        if one.get("Containers") and one.get("Size", -1) != -1 and one.get("SharedSize", -1) != -1
    )
    alive = [one for one in containers if str(one.get("State")) in ALIVE]
    written = sum(int(one.get("SizeRw") or 0) for one in containers)
    written_alive = sum(int(one.get("SizeRw") or 0) for one in alive)
    data = [(_references(one), max(_size(one), 0)) for one in volumes]
    cached = build_cache_size(usage)
    cache_in_use = sum(int(one.get("Size") or 0) for one in cache if one.get("InUse") and not one.get("Shared"))
    return [
        _row(
            "Images",
            len(images),
            sum(1 for one in images if int(one.get("Containers") or 0) > 0),
            layers,
            layers - used,
        ),
        _row("Containers", len(containers), len(alive), written, written - written_alive),
        _row(
            "Local Volumes",
            len(volumes),
            sum(1 for count, _ in data if count > 0),
            sum(size for _, size in data),
            sum(size for count, size in data if count == 0),
        ),
        {
            **_row("Build Cache", len(cache), sum(1 for one in cache if one.get("InUse")), cached, 0),
            "Reclaimable": format.size(cached - cache_in_use, 4),
        },
    ]


def _references(volume: Volume) -> int:
    return int((volume.get("UsageData") or {}).get("RefCount") or 0)


def _size(volume: Volume) -> int:
    return int((volume.get("UsageData") or {}).get("Size") or 0)


def _row(kind: str, total: int, active: int, size: int, reclaimable: int) -> format.Row:
    share = f" ({reclaimable * 100 // size}%)" if size > 0 else ""
    return {
        "Active": str(active),
        "Reclaimable": f"{format.size(reclaimable, 4)}{share}",
        "Size": format.size(size, 4),
        "TotalCount": str(total),
        "Type": kind,
    }
