"""`pycompose volume du`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....errors import OperationError
from ...session import Session
from ...show import format

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser

COLUMNS = (("VOLUME NAME", "Name"), ("LINKS", "Links"), ("SIZE", "Size"))


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--format", metavar="FORMAT", help="table, json, 'table TEMPLATE' or TEMPLATE")
    parser.add_argument("volumes", nargs="*", metavar="VOLUME")


def run(args: Namespace) -> int:
    usage = Session(args).engine.system.disk_usage().get("Volumes") or []
    found = {str(one["Name"]): one.get("UsageData") or {} for one in usage}
    for name in args.volumes:
        if name not in found:
            raise OperationError(f"no such volume: {name}")
    rows = [_row(name, found[name]) for name in args.volumes or sorted(found)]
    text = format.show(args.format, rows, COLUMNS)
    if text:
        print(text)
    return 0


def _row(name: str, usage: dict[str, int]) -> format.Row:
    size = usage.get("Size", -1)
    return {
        "Bytes": size,
        "Links": str(usage.get("RefCount", 0)),
        "Name": name,
        "Size": format.size(size, 4) if size >= 0 else "N/A",
    }
