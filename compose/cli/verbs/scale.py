"""`pycompose scale`: the number of containers of services, up or down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--no-deps", action="store_true", help="Don't start linked services")
    parser.add_argument("items", nargs="+", metavar="SERVICE=REPLICAS")


def run(args: Namespace) -> int:
    from ...app.scaling import scale
    from ..flags.scale import parse_scale
    from ..session import report_failures

    replicas = parse_scale(args.items)
    session = Session(args, services=list(replicas))
    return report_failures(session, scale(session, replicas, with_dependencies=not args.no_deps))
