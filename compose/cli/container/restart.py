"""`pycompose container restart`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..flags import integer
from ..many import each
from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "-t",
        "--time",
        "--timeout",
        dest="timeout",
        type=integer,
        metavar="SECONDS",
        help="Seconds to wait before killing the container",
    )
    parser.add_argument("-s", "--signal", metavar="SIGNAL", help="Signal to send to the container")
    parser.add_argument("containers", nargs="+", metavar="CONTAINER")


def run(args: Namespace) -> int:
    engine = Session(args).engine
    return each(args.containers, lambda name: engine.containers.restart(name, args.timeout, args.signal))
