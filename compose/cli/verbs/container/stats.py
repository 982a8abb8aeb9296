"""`pycompose container stats`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag("-a", "--all", action="store_true", help="Show all containers (default shows just running)")
    flag("--format", metavar="FORMAT", help="table, json, 'table TEMPLATE' or TEMPLATE")
    flag("--no-stream", action="store_true", help="Disable streaming stats and only pull the first result")
    flag("--no-trunc", action="store_true", help="Do not truncate output")
    parser.add_argument("containers", nargs="*", metavar="CONTAINER")


def run(args: Namespace) -> int:
    from ...show.statistics import show_stats

    engine = Session(args).engine
    if args.containers:
        trees = [engine.containers.inspect(name) for name in args.containers]
        pairs = [(one["Id"], one["Name"].removeprefix("/")) for one in trees]
    else:
        pairs = [(one["Id"], one["Names"][0].removeprefix("/")) for one in engine.containers.list(all=args.all)]
    show_stats(engine, pairs, args.format, stream=not args.no_stream, full_id=args.no_trunc)
    return 0
