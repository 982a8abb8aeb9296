"""`pycompose container commit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...session import Session
from ..commit import add_commit_flags, commit_query

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    add_commit_flags(parser)
    parser.add_argument("container")
    parser.add_argument("repository", nargs="?", metavar="REPOSITORY[:TAG]")


def run(args: Namespace) -> int:
    print(Session(args).engine.containers.commit(commit_query(args, args.container)))
    return 0
