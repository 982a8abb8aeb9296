"""`pycompose image save`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...session import Session
from ...streams.blocks import write_blocks

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("-o", "--output", metavar="FILE", help="Write to a file, instead of STDOUT")
    parser.add_argument(
        "--platform", action="append", default=[], metavar="PLATFORM", help="Save only these of several platforms"
    )
    parser.add_argument("images", nargs="+", metavar="IMAGE")


def run(args: Namespace) -> int:
    write_blocks(Session(args).engine.images.save(args.images, args.platform), args.output)
    return 0
