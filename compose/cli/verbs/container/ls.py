"""`pycompose container ls`: containers of every project and of none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...flags.parser import integer
from ...flags.shared import add_filter
from ...session import Session
from ...show import format
from ...show.many import filters
from ..ps import row

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser

COLUMNS = (
    ("CONTAINER ID", "ID"),
    ("IMAGE", "Image"),
    ("COMMAND", "Command"),
    ("CREATED", "RunningFor"),
    ("STATUS", "Status"),
    ("PORTS", "Ports"),
    ("NAMES", "Names"),
)
_OF_COMPOSE = ("ExitCode", "Health", "Name", "Project", "Publishers", "Service")


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag("-a", "--all", action="store_true", help="Show all containers (default shows just running)")
    add_filter(parser)
    flag("--format", metavar="FORMAT", help="table, json, 'table TEMPLATE' or TEMPLATE")
    flag("-n", "--last", type=integer, metavar="N", help="Show n last created containers (includes all states)")
    flag("-l", "--latest", action="store_true", help="Show the latest created container (includes all states)")
    flag("--no-trunc", action="store_true", help="Don't truncate output")
    flag("-q", "--quiet", action="store_true", help="Only display container IDs")
    flag("-s", "--size", action="store_true", help="Display total file sizes")


def run(args: Namespace) -> int:
    session = Session(args)
    # A template that shows sizes needs them, asked for or not.
    with_size = args.size or bool(args.format and re.search(r"\.Size\b|json \.\s*}", args.format))
    limit = 1 if args.latest else args.last if args.last is not None and args.last > 0 else None
    found = session.engine.containers.list(
        filters(args.filter), all=args.all or limit is not None, size=with_size, limit=limit
    )
    if args.quiet:
        for one in found:
            print(one["Id"] if args.no_trunc else one["Id"][:12])
        return 0
    rows = []
    for one in found:
        full = row(one, truncate=not args.no_trunc)
        line = {key: value for key, value in full.items() if key not in _OF_COMPOSE}
        image = str(line["Image"])
        if image.startswith("sha256:") and not args.no_trunc:
            line["Image"] = image[7:19]
        if with_size:
            line["Size"] = f"{format.size(one.get('SizeRw') or 0)} (virtual {format.size(one.get('SizeRootFs') or 0)})"
        rows.append(line)
    columns = (*COLUMNS, ("SIZE", "Size")) if args.size else COLUMNS
    text = format.show(args.format, rows, columns)
    if text or rows:
        print(text)
    return 0
