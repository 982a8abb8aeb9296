"""`pycompose publish`: known, and refused."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..errors import OperationError

if TYPE_CHECKING:
    from argparse import Namespace

    from .flags import Parser

INTERSPERSED = False


def add_arguments(parser: Parser) -> None:
    parser.add_argument("repository", metavar="REPOSITORY[:TAG]")
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="ARG")


def run(args: Namespace) -> int:
    raise OperationError(
        f"publish is not supported: an application does not become an OCI artifact here, so nothing was sent to"
        f" {args.repository}. `pycompose push` pushes the images; the Compose file travels with your sources."
    )
