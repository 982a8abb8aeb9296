"""`pycompose stats`: resource usage of the project's containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...labels import SERVICE
from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag("-a", "--all", action="store_true", help="Show all containers (default shows just running)")
    flag("--format", metavar="FORMAT", help="table, json, 'table TEMPLATE' or TEMPLATE")
    flag("--no-stream", action="store_true", help="Disable streaming stats and only pull the first result")
    flag("--no-trunc", action="store_true", help="Do not truncate output")
    parser.add_argument("services", nargs="*", metavar="SERVICE")


def run(args: Namespace) -> int:
    from ..show.statistics import show_stats

    session = Session(args)
    found = session.containers(args.services, all=args.all)
    session.require_declared(args.services, {one["Labels"].get(SERVICE) for one in found})
    pairs = [(one["Id"], one["Names"][0].removeprefix("/")) for one in found]
    show_stats(session.engine, pairs, args.format, stream=not args.no_stream, full_id=args.no_trunc, by_id=True)
    return 0
