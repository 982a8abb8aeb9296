"""`pycompose network inspect`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...session import Session
from ...show.many import inspect

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("-f", "--format", metavar="FORMAT", help="Format output using a Go template")
    parser.add_argument("-v", "--verbose", action="store_true", help="Verbose output for diagnostics")
    parser.add_argument("networks", nargs="+", metavar="NETWORK")


def run(args: Namespace) -> int:
    engine = Session(args).engine
    return inspect(args.networks, lambda name: engine.networks.inspect(name, verbose=args.verbose), args.format)
