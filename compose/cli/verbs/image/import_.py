"""`pycompose image import`: a root file system in a tarball becomes an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...session import Session
from ...show.transfer import show_lines
from ...streams.blocks import read_blocks

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "-c",
        "--change",
        action="append",
        default=[],
        metavar="INSTRUCTION",
        help="Apply Dockerfile instruction to the image",
    )
    parser.add_argument("-m", "--message", metavar="TEXT", help="Set commit message for imported image")
    parser.add_argument("--platform", metavar="PLATFORM", help="Set platform if server is multi-platform capable")
    parser.add_argument("file", metavar="FILE|-")
    parser.add_argument("repository", nargs="?", metavar="REPOSITORY[:TAG]")


def run(args: Namespace) -> int:
    engine = Session(args).engine
    lines = engine.images.import_(read_blocks(args.file), args.repository, args.change, args.message, args.platform)
    show_lines(lines)
    return 0
