"""`pycompose volumes`: the project's volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...labels import PROJECT, VOLUME
from ..session import Session
from ..show import format

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser

COLUMNS = (("DRIVER", "Driver"), ("VOLUME NAME", "Name"))


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--format", metavar="FORMAT", help="table, json, 'table TEMPLATE' or TEMPLATE")
    parser.add_argument("-q", "--quiet", action="store_true", help="Only display volume names")
    parser.add_argument("services", nargs="*", metavar="SERVICE")


def run(args: Namespace) -> int:
    from .volume.ls import volume_row

    session = Session(args)
    found = session.engine.volumes.list({"label": [f"{PROJECT}={session.name}"]})
    if args.services:
        session.require_declared(args.services)
        used = {
            mount.get("Name")
            for one in session.containers(args.services)
            for mount in one.get("Mounts") or ()
            if mount.get("Type") == "volume"
        }
        found = [one for one in found if one["Name"] in used]
    found.sort(key=lambda one: str(one["Name"]))
    if args.quiet:
        for one in found:
            print(one["Name"])
        return 0
    rows = [{**volume_row(one), "Volume": (one.get("Labels") or {}).get(VOLUME, "")} for one in found]
    text = format.show(args.format, rows, COLUMNS)
    if text:
        print(text)
    return 0
