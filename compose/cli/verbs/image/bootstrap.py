"""`pycompose image bootstrap`: a base image from the distribution's signed archive, by our own engine only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....errors import OperationError
from ...session import Session
from ...show.transfer import show_lines

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "--allow-expired",
        action="store_true",
        help="Accept an archive past its Valid-Until; its signature is still checked",
    )
    parser.add_argument("--mirror", metavar="URL", help="Take packages from this mirror of the main archive")
    parser.add_argument("-q", "--quiet", action="store_true", help="Show no progress")
    parser.add_argument("image", metavar="IMAGE")


def run(args: Namespace) -> int:
    engine = Session(args).engine
    if not engine.is_pycompose:
        raise OperationError(
            f"the engine at {engine.endpoint.address} is not pycompose's own and cannot bootstrap images"
        )
    show_lines(
        engine.images.bootstrap(args.image, mirror=args.mirror, allow_expired=args.allow_expired), quiet=args.quiet
    )
    return 0
