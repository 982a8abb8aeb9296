"""`pycompose commit`: an image from a service container's changes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ....grammar.references import split_version
from ..flags.parser import integer
from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ...client.http import Query
    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    add_commit_flags(parser)
    parser.add_argument(
        "--index", type=integer, default=0, metavar="N", help="index of the container if service has multiple replicas"
    )
    parser.add_argument("service")
    parser.add_argument("repository", nargs="?", metavar="REPOSITORY[:TAG]")


def add_commit_flags(parser: Parser) -> None:
    flag = parser.add_argument
    flag("-a", "--author", metavar="TEXT", help='Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")')
    flag(
        "-c",
        "--change",
        action="append",
        default=[],
        metavar="INSTRUCTION",
        help="Apply Dockerfile instruction to the created image",
    )
    flag("-m", "--message", metavar="TEXT", help="Commit message")
    flag("-p", "--pause", action="store_true", default=True, help="Pause container during commit")


def commit_query(args: Namespace, container: str) -> Query:
    repository, tag = split_version(args.repository) if args.repository else (None, None)
    return {
        "container": container,
        "repo": repository,
        "tag": tag,
        "author": args.author,
        "comment": args.message,
        "changes": args.change,
        "pause": args.pause,
    }


def run(args: Namespace) -> int:
    session = Session(args)
    found = session.container_of(args.service, args.index)
    if args.dry_run:
        print(f"DRY-RUN MODE -  Container {found['Names'][0].removeprefix('/')}  Committed", file=sys.stderr)
        return 0
    print(session.engine.containers.commit(commit_query(args, found["Id"])))
    return 0
