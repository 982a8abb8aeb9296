"""`pycompose network ls`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...flags.shared import add_filter
from ...session import Session
from ...show import format
from ...show.many import filters

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser

COLUMNS = (("NETWORK ID", "ID"), ("NAME", "Name"), ("DRIVER", "Driver"), ("SCOPE", "Scope"))


def add_arguments(parser: Parser) -> None:
    add_filter(parser, "Provide filter values")
    parser.add_argument("--format", metavar="FORMAT", help="table, json, 'table TEMPLATE' or TEMPLATE")
    parser.add_argument("--no-trunc", action="store_true", help="Do not truncate the output")
    parser.add_argument("-q", "--quiet", action="store_true", help="Only display network IDs")


def run(args: Namespace) -> int:
    found = sorted(Session(args).engine.networks.list(filters(args.filter)), key=lambda one: str(one["Name"]))
    if args.quiet:
        for one in found:
            print(one["Id"] if args.no_trunc else one["Id"][:12])
        return 0
    rows = [
        {
            "CreatedAt": one.get("Created") or "",
            "Driver": one.get("Driver") or "",
            "ID": one["Id"] if args.no_trunc else one["Id"][:12],
            "IPv6": str(bool(one.get("EnableIPv6"))).lower(),
            "Internal": str(bool(one.get("Internal"))).lower(),
            "Labels": ",".join(f"{key}={value}" for key, value in sorted((one.get("Labels") or {}).items())),
            "Name": one["Name"],
            "Scope": one.get("Scope") or "local",
            "_labels": one.get("Labels") or {},
        }
        for one in found
    ]
    text = format.show(args.format, rows, COLUMNS)
    if text or rows:
        print(text)
    return 0
