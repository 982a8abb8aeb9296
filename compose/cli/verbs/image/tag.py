"""`pycompose image tag`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("source", metavar="SOURCE_IMAGE[:TAG]")
    parser.add_argument("target", metavar="TARGET_IMAGE[:TAG]")


def run(args: Namespace) -> int:
    Session(args).engine.images.tag(args.source, args.target)
    return 0
