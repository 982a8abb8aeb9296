"""`pycompose cp`: copy between a service's container and the local file system."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ...app.session import NotRunning
from ..flags.parser import FlagError, integer
from ..session import Session
from ..show import legible

if TYPE_CHECKING:
    from argparse import Namespace

    from ...client.bodies.containers import ContainerRow
    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag("-a", "--archive", action="store_true", help="Archive mode (copy all uid/gid information)")
    flag("--all", action="store_true", help="Include containers created by the run command")
    flag("-L", "--follow-link", action="store_true", help="Follow symbolic links in SRC_PATH")
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


def warn(text: str) -> None:
    legible.complain(f"warning: {text}")


def run(args: Namespace) -> int:
    from ...app.copying import to_container
    from ...run.events import DONE, Progress
    from ..show.render import choose_renderer
    from ..streams.archives import copy_out, stdin_archive

    source_service, source = split_place(args.source)
    target_service, target = split_place(args.destination)
    if source_service and target_service:
        raise FlagError("copying between services is not supported")
    if not source_service and not target_service:
        raise FlagError("unknown copy direction: one side must be SERVICE:PATH")
    session = Session(args)
    renderer = choose_renderer(args.progress, args.ansi, "Copying")
    remarks: list[str] = []
    chosen = containers(session, args, source_service or target_service, is_source=bool(source_service))
    with contextlib.ExitStack() as stack:
        stdin = None
        if source == "-" and not source_service and not args.dry_run:
            stdin = stack.enter_context(stdin_archive(len(chosen)))
        stack.enter_context(renderer)
        for one in chosen:
            name = one["Names"][0].removeprefix("/")
            places = (f"{name}:{source}", target) if source_service else (source, f"{name}:{target}")
            what = f"{'DRY-RUN MODE -  ' if args.dry_run else ''}{name} copy {places[0]} to {places[1]}"
            renderer.handle(Progress(what, "Copying"))
            identity, follow, remark = one["Id"], args.follow_link, remarks.append
            if args.dry_run:
                pass
            elif source_service:
                copy_out(session.engine, identity, source, target, follow=follow, remark=remark)
            elif stdin is not None:
                session.engine.containers.put_archive(identity, target, stdin(), copy_uid_gid=args.archive)
            else:
                to_container(
                    session.engine, identity, source, target, archive=args.archive, follow=follow, remark=remark
                )
            renderer.handle(Progress(what, "Copied", DONE))
    for text in dict.fromkeys(remarks):
        warn(text)
    return 0


def containers(session: Session, args: Namespace, service: str, *, is_source: bool) -> list[ContainerRow]:
    """Those to copy from (one) or to (all of the service, unless an index is given). Raises `NotRunning`."""
    if args.index > 0:
        return [session.container_of(service, args.index)]
    found = session.containers([service], oneoff=args.all)
    if not found:
        raise NotRunning(f'no container found for service "{service}"')
    return found[:1] if is_source else found
