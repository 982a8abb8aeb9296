"""`pycompose container logs`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...session import Session
from ..logs import moment, tail_count

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag("--details", action="store_true", help="Show extra details provided to logs")
    flag("-f", "--follow", action="store_true", help="Follow log output")
    flag("--since", metavar="TIME", help="Show logs since timestamp or relative (e.g. 42m for 42 minutes)")
    flag(
        "-n",
        "--tail",
        default="all",
        type=tail_count,
        metavar="N",
        help="Number of lines to show from the end of the logs",
    )
    flag("-t", "--timestamps", action="store_true", help="Show timestamps")
    flag("--until", metavar="TIME", help="Show logs before a timestamp or relative")
    parser.add_argument("container")


def run(args: Namespace) -> int:
    from ....client.containers import LogWindow

    engine = Session(args).engine
    tty = bool((engine.containers.inspect(args.container).get("Config") or {}).get("Tty"))
    wanted = LogWindow(
        args.follow, moment(args.since), moment(args.until), args.timestamps, args.tail, details=args.details
    )
    lines = engine.containers.logs(args.container, wanted, tty=tty)
    for stream, data in lines:
        os.write(2 if stream == 2 else 1, data)
    return 0
