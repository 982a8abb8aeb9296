"""`pycompose volume du`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...session import Session
from ...show import format

if TYPE_CHECKING:
    from argparse import Namespace

    from ....client.bodies.volumes import VolumeUsage
    from ...flags.parser import Parser

COLUMNS = (("VOLUME NAME", "Name"), ("LINKS", "Links"), ("SIZE", "Size"), ("ON DISK", "OnDisk"))


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--format", metavar="FORMAT", help="table, json, 'table TEMPLATE' or TEMPLATE")
    parser.add_argument("volumes", nargs="*", metavar="VOLUME")


def run(args: Namespace) -> int:
    found = Session(args).engine.volumes.usage(args.volumes)
    text = format.show(args.format, [_row(one) for one in found], COLUMNS)
    if text:
        print(text)
    return 0


def _row(one: VolumeUsage) -> format.Row:
    size, allocated = one.get("Size", -1), one.get("Allocated", -1)
    return {
        "Allocated": allocated,
        "Bytes": size,
        "Links": str(one.get("RefCount", 0)),
        "Name": one["Name"],
        "OnDisk": format.size(allocated, 4) if allocated >= 0 else "N/A",
        "Size": format.size(size, 4) if size >= 0 else "N/A",
    }
