"""`pycompose down`: stop and remove what the project has, from what the engine recorded; the file is a bonus."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..flags.parser import FlagError, integer
from ..session import Session, report_removal

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "--remove-orphans", action="store_true", help="Remove containers for services not defined in the Compose file"
    )
    parser.add_argument("--rmi", metavar="local|all", help='Remove images used by services ("local"|"all")')
    parser.add_argument(
        "-t", "--timeout", type=integer, metavar="SECONDS", help="Specify a shutdown timeout in seconds"
    )
    parser.add_argument("-v", "--volumes", action="store_true", help="Remove named and anonymous volumes as well")
    parser.add_argument("--volume", action="store_true", dest="volumes", help=argparse.SUPPRESS)
    parser.add_argument("--fast", action="store_true", help="Kill instead of stopping")
    parser.add_argument("services", nargs="*", metavar="SERVICE")


def run(args: Namespace) -> int:
    from ...app.down import take_down
    from ...plan.reconcile.options import DownOptions

    if args.rmi not in (None, "local", "all"):
        raise FlagError(f'invalid value for --rmi: "{args.rmi}"')
    options = DownOptions(
        services=tuple(args.services),
        volumes=args.volumes,
        remove_orphans=args.remove_orphans,
        images=args.rmi or "",
        timeout=0 if args.fast else args.timeout,
    )
    return report_removal(take_down(Session(args), options))
