"""`pycompose container create`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...session import Session
from .options import add_container_flags, create

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser

INTERSPERSED = False


def add_arguments(parser: Parser) -> None:
    add_container_flags(parser)


def run(args: Namespace) -> int:
    print(create(Session(args).engine, args, "create"))
    return 0
