"""`pycompose volume ls`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...flags.shared import add_filter
from ...session import Session
from ...show import format
from ...show.many import filters

if TYPE_CHECKING:
    from argparse import Namespace

    from ....client.bodies.volumes import Volume
    from ...flags.parser import Parser

COLUMNS = (("DRIVER", "Driver"), ("VOLUME NAME", "Name"))


def add_arguments(parser: Parser) -> None:
    add_filter(parser, "Provide filter values")
    parser.add_argument("--format", metavar="FORMAT", help="table, json, 'table TEMPLATE' or TEMPLATE")
    parser.add_argument("-q", "--quiet", action="store_true", help="Only display volume names")


def run(args: Namespace) -> int:
    found = sorted(Session(args).engine.volumes.list(filters(args.filter)), key=lambda one: str(one["Name"]))
    if args.quiet:
        for one in found:
            print(one["Name"])
        return 0
    text = format.show(args.format, [volume_row(one) for one in found], COLUMNS)
    if text or found:
        print(text)
    return 0


def volume_row(tree: Volume) -> format.Row:
    labels = tree.get("Labels") or {}
    of_others = dict.fromkeys(("Availability", "Group", "Links", "Size", "Status"), "N/A")
    return of_others | {
        "Driver": tree.get("Driver") or "local",
        "Labels": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
        "Mountpoint": tree.get("Mountpoint") or "",
        "Name": tree["Name"],
        "Scope": tree.get("Scope") or "local",
        "_labels": labels,
    }
