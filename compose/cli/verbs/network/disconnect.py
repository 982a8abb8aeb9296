"""`pycompose network disconnect`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("-f", "--force", action="store_true", help="Force the container to disconnect from a network")
    parser.add_argument("network")
    parser.add_argument("container")


def run(args: Namespace) -> int:
    Session(args).engine.networks.disconnect(args.network, args.container, force=args.force)
    return 0
