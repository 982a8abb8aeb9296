"""`pycompose image inspect`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...session import Session
from ...show.many import inspect

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("-f", "--format", metavar="FORMAT", help="Format output using a Go template")
    parser.add_argument("--platform", metavar="PLATFORM", help="Show this of several platforms")
    parser.add_argument("images", nargs="+", metavar="IMAGE")


def run(args: Namespace) -> int:
    engine = Session(args).engine
    return inspect(args.images, lambda ref: engine.images.inspect(ref, args.platform), args.format)
