"""`pycompose image history`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...session import Session
from ...show import format

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser

COLUMNS = (
    ("IMAGE", "ID"),
    ("CREATED", "CreatedSince"),
    ("CREATED BY", "CreatedBy"),
    ("SIZE", "Size"),
    ("COMMENT", "Comment"),
)


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--format", metavar="FORMAT", help="table, json, 'table TEMPLATE' or TEMPLATE")
    parser.add_argument(
        "-H", "--human", action="store_true", default=True, help="Print sizes and dates in human readable format"
    )
    parser.add_argument("--no-trunc", action="store_true", help="Don't truncate output")
    parser.add_argument("--platform", metavar="PLATFORM", help="Show this of several platforms")
    parser.add_argument("-q", "--quiet", action="store_true", help="Only show image IDs")
    parser.add_argument("image")


def run(args: Namespace) -> int:
    human = args.human
    columns = COLUMNS if human else tuple((name, "CreatedAt" if name == "CREATED" else key) for name, key in COLUMNS)
    rows = []
    for one in Session(args).engine.images.history(args.image, args.platform):
        ident = str(one.get("Id") or "<missing>")
        short = ident if args.no_trunc or not ident.startswith("sha256:") else ident.removeprefix("sha256:")[:12]
        command = str(one.get("CreatedBy") or "")
        rows.append(
            {
                "ID": short,
                "CreatedAt": format.moment(float(one.get("Created") or 0), "%Y-%m-%dT%H:%M:%S%z"),
                "CreatedSince": format.ago(float(one.get("Created") or 0)),
                "CreatedBy": command if args.no_trunc else format.shorten(command, 45),
                "Size": format.size(float(one.get("Size") or 0)) if human else str(one.get("Size") or 0),
                "Comment": one.get("Comment") or "",
            }
        )
    if args.quiet:
        for row in rows:
            print(row["ID"])
        return 0
    text = format.show(args.format, rows, columns)
    if text or rows:
        print(text)
    return 0
