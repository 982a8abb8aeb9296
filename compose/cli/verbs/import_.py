"""`pycompose import docker`: what another engine has, brought over to ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..flags.parser import FlagError
from ..session import Session
from ..show.moving import bring, default_source, other_engine

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "--from", dest="source", metavar="HOST", help="The other engine's socket (default: Docker's, else podman's)"
    )
    parser.add_argument("--project", metavar="NAME", help="Only what belongs to this Compose project")
    parser.add_argument("--format", choices=("table", "json"), help="table, or json (one object a line)")
    parser.add_argument(
        "what", metavar="docker", help="What to import from: docker, which podman's Docker socket counts as"
    )


def run(args: Namespace) -> int:
    if args.what != "docker":
        raise FlagError(f"import: want docker, not {args.what!r}")
    source = other_engine(args.source, "--from") if args.source else default_source()
    return bring(args, source, Session(args).engine)
