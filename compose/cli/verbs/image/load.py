"""`pycompose image load`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....errors import OperationError
from ...session import Session
from ...show.transfer import show_lines
from ...streams.blocks import read_blocks

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("-i", "--input", metavar="FILE", help="Read from tar archive file, instead of STDIN")
    parser.add_argument(
        "--platform", action="append", default=[], metavar="PLATFORM", help="Load only these of several platforms"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="Suppress the load output")


def run(args: Namespace) -> int:
    import sys

    if args.input is None and sys.stdin.isatty():
        raise OperationError("requested load from stdin, but stdin is a terminal")
    lines = Session(args).engine.images.load(read_blocks(args.input), quiet=args.quiet, platforms=args.platform)
    show_lines(lines, quiet=args.quiet)
    return 0
