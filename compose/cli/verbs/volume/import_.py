"""`pycompose volume import`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ....errors import OperationError
from ...session import Session
from ...show.amounts import counted
from ...streams.blocks import read_blocks

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("-f", "--force", action="store_true", help="Replace what the volume holds")
    parser.add_argument("volume", metavar="VOLUME")
    parser.add_argument(
        "archive", nargs="?", metavar="FILE|-", help="The archive, in any compression; STDIN by default"
    )


def run(args: Namespace) -> int:
    if args.archive in (None, "-") and sys.stdin.isatty():
        raise OperationError("requested import from stdin, but stdin is a terminal")
    blocks = read_blocks(args.archive)
    total = os.path.getsize(args.archive) if args.archive not in (None, "-") else 0
    Session(args).engine.volumes.import_(
        args.volume, counted(blocks, args.volume, "Importing", total), force=args.force
    )
    print(args.volume)
    return 0
