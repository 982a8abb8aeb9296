"""`pycompose container ls`: containers of every project and of none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import format
from ..flags import filter_word, integer
from ..many import filters
from ..ps import row
from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags import Parser

COLUMNS = (
    ("CONTAINER ID", "ID"),
    ("IMAGE", "Image"),
    ("COMMAND", "Command"),
    ("CREATED", "RunningFor"),
    ("STATUS", "Status"),
    ("PORTS", "Ports"),
    ("NAMES", "Names"),
)


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag("-a", "--all", action="store_true", help="Show all containers (default shows just running)")
    flag(
        "-f",
        "--filter",
        type=filter_word,
        action="append",
        default=[],
        metavar="FILTER",
        help="Filter output based on conditions provided",
    )
    flag("--format", metavar="FORMAT", help="table, json, 'table TEMPLATE' or TEMPLATE")
    flag("-n", "--last", type=integer, metavar="N", help="Show n last created containers (includes all states)")
    flag("-l", "--latest", action="store_true", help="Show the latest created container (includes all states)")
    flag("--no-trunc", action="store_true", help="Don't truncate output")
    flag("-q", "--quiet", action="store_true", help="Only display container IDs")
    flag("-s", "--size", action="store_true", help="Display total file sizes")


def run(args: Namespace) -> int:
    session = Session(args)
    limit = 1 if args.latest else args.last
    found = session.engine.containers.list(
        filters(args.filter), all=args.all or limit is not None, size=args.size, limit=limit
    )
    if args.quiet:
        for one in found:
            print(one["Id"] if args.no_trunc else one["Id"][:12])
        return 0
    rows = []
    for one in found:
        line = row(one, truncate=not args.no_trunc)
        if args.size:
            line["Size"] = f"{format.size(one.get('SizeRw') or 0)} (virtual {format.size(one.get('SizeRootFs') or 0)})"
        rows.append(line)
    columns = (*COLUMNS, ("SIZE", "Size")) if args.size else COLUMNS
    text = format.show(args.format, rows, columns)
    if text:
        print(text)
    return 0
