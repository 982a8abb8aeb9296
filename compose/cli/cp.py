"""`pycompose cp`: copy between a service's container and the local file system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..labels import NUMBER
from .exec import NotRunning
from .flags import FlagError, integer
from .session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from .flags import Parser


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag("-a", "--archive", action="store_true", help="Archive mode (copy all uid/gid information)")
    flag("--all", action="store_true", help="Include containers created by the run command")
    flag("-L", "--follow-link", action="store_true", help="Always follow symbol link in SRC_PATH")
    flag(
        "--index", type=integer, default=0, metavar="N", help="Index of the container if service has multiple replicas"
    )
    parser.add_argument("source", metavar="SRC_PATH|SERVICE:SRC_PATH")
    parser.add_argument("destination", metavar="DEST_PATH|SERVICE:DEST_PATH")


def split_place(text: str) -> tuple[str, str]:
    """``(service, path)``; no service for a local path."""
    name, colon, path = text.partition(":")
    if not colon or "/" in name or name in (".", ""):
        return "", text
    return name, path


def run(args: Namespace) -> int:
    from .copying import from_container, to_container

    source_service, source = split_place(args.source)
    target_service, target = split_place(args.destination)
    if source_service and target_service:
        raise FlagError("copying between services is not supported")
    if not source_service and not target_service:
        raise FlagError("unknown copy direction: one side must be SERVICE:PATH")
    session = Session(args)
    service = source_service or target_service
    found = session.containers([service], oneoff=args.all)
    if args.index:
        found = [one for one in found if one["Labels"].get(NUMBER) == str(args.index)]
    if not found:
        raise NotRunning(f'no container found for service "{service}"')
    if source_service:
        from_container(session.engine, found[0]["Id"], source, target, follow=args.follow_link)
        return 0
    for one in found if not args.index else found[:1]:
        to_container(session.engine, one["Id"], source, target, archive=args.archive, follow=args.follow_link)
    return 0
