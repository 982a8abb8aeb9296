"""`pycompose volume create`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....convert.values import pairs
from ...flags.parser import FlagError
from ...session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("-d", "--driver", default="local", metavar="DRIVER", help="Specify volume driver name")
    parser.add_argument("--label", action="append", default=[], metavar="KEY=VALUE", help="Set metadata for a volume")
    parser.add_argument(
        "-o", "--opt", action="append", default=[], metavar="KEY=VALUE", help="Set driver specific options"
    )
    parser.add_argument("--name", metavar="VOLUME", help="The volume's name (or write it as the argument)")
    parser.add_argument("volume", nargs="?", metavar="VOLUME")


def run(args: Namespace) -> int:
    if args.volume and args.name:
        raise FlagError("conflicting options: either specify --name or provide positional arg, not both")
    body = {
        "Name": args.volume or args.name or "",
        "Driver": args.driver,
        "DriverOpts": pairs(args.opt),
        "Labels": pairs(args.label),
    }
    print(Session(args).engine.volumes.create(body)["Name"])
    return 0
