"""`pycompose image pull`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....credentials.lookup import registry_auth
from ...session import Session
from ...show.transfer import show_lines

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--platform", metavar="PLATFORM", help="Set platform if server is multi-platform capable")
    parser.add_argument(
        "--disable-content-trust", action="store_true", help="Skip verification (always: content trust is not offered)"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="Show no progress")
    parser.add_argument("image", metavar="NAME[:TAG|@DIGEST]")


def run(args: Namespace) -> int:
    engine = Session(args).engine
    if not args.quiet and "@" not in args.image and ":" not in args.image.rpartition("/")[2]:
        print("Using default tag: latest")
    show_lines(engine.images.pull(args.image, platform=args.platform, auth=registry_auth(args.image)), quiet=args.quiet)
    print(args.image)
    return 0
