"""`pycompose volume export`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...session import Session
from ...show.amounts import counted
from ...show.volumes import warn_of_users
from ...streams.blocks import write_blocks

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("-o", "--output", metavar="FILE", help="Write to a file, instead of STDOUT")
    parser.add_argument("volume", metavar="VOLUME")


def run(args: Namespace) -> int:
    engine = Session(args).engine
    blocks = engine.volumes.export(args.volume)
    warn_of_users(engine, args.volume)
    write_blocks(counted(blocks, args.volume, "Exporting"), args.output)
    return 0
