"""`pycompose image rm`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..many import each
from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("-f", "--force", action="store_true", help="Force removal of the image")
    parser.add_argument("--no-prune", action="store_true", help="Do not delete untagged parents")
    parser.add_argument("images", nargs="+", metavar="IMAGE")


def run(args: Namespace) -> int:
    engine = Session(args).engine

    def remove(name: str) -> None:
        for item in engine.images.remove(name, force=args.force, no_prune=args.no_prune):
            for word in ("Untagged", "Deleted"):
                if item.get(word):
                    print(f"{word}: {item[word]}")

    return each(args.images, remove, echo=False)
