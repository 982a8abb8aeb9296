"""`pycompose image rm`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ....client import NotFound
from ...session import Session
from ...show.many import each

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("-f", "--force", action="store_true", help="Force removal of the image")
    parser.add_argument("--no-prune", action="store_true", help="Do not delete untagged parents")
    parser.add_argument(
        "--platform",
        action="append",
        default=[],
        metavar="PLATFORM",
        help="Remove only these of several platforms; needs --force",
    )
    parser.add_argument("images", nargs="+", metavar="IMAGE")


def run(args: Namespace) -> int:
    engine = Session(args).engine

    def remove(name: str) -> None:
        removed = engine.images.remove(name, force=args.force, no_prune=args.no_prune, platforms=args.platform)
        for item in removed:
            for word in ("Untagged", "Deleted"):
                if item.get(word):
                    print(f"{word}: {item[word]}")

    if not args.force:
        return each(args.images, remove, echo=False)
    missing: list[str] = []

    def remove_if_there(name: str) -> None:
        try:
            remove(name)
        except NotFound as error:
            missing.append(f"Error response from daemon: {error}")

    code = each(args.images, remove_if_there, echo=False)
    if missing:
        print("\n".join(missing), file=sys.stderr)
    return code
