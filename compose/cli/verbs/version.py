"""`pycompose version`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ....version import __version__

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("-f", "--format", metavar="FORMAT", help="Format the output. Values: [pretty | json]")
    parser.add_argument("--short", action="store_true", help="Show only the version number")


def run(args: Namespace) -> int:
    number = __version__
    if args.short:
        print(number)
    elif args.format == "json":
        print(json.dumps({"version": number}))
    else:
        print(f"pycompose version {number}")
    return 0
