"""`pycompose push`: push the images of services that are built here."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..credentials import registry_auth
from ..errors import EngineError
from .session import Session, require_services
from .transfer import show_lines

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from .flags import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "--ignore-push-failures", action="store_true", help="Push what it can and ignores images with push failures"
    )
    parser.add_argument(
        "--include-deps", action="store_true", help="Also push images of services declared as dependencies"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="Push without printing progress information")
    parser.add_argument("services", nargs="*", metavar="SERVICE")


def push_images(session: Session, refs: Sequence[str], *, quiet: bool = False, ignore_failures: bool = False) -> int:
    """Push one after the other; the exit code."""
    failed = False
    for ref in dict.fromkeys(refs):
        try:
            show_lines(session.engine.images.push(ref, auth=registry_auth(ref)), quiet=quiet)
        except EngineError as error:
            print(f"{ref}: {error}", file=sys.stderr)
            failed = True
    return 1 if failed and not ignore_failures else 0


def run(args: Namespace) -> int:
    from ..graph import closure

    session = Session(args)
    project = session.project
    require_services(args.services, list(project.services))
    names = list(args.services) or list(project.services)
    if args.include_deps:
        names = closure(project.services, names)
    refs = [
        str(project.services[name]["image"])
        for name in names
        if project.services[name].get("build") and project.services[name].get("image")
    ]
    if args.dry_run:
        for ref in refs:
            print(f"DRY-RUN MODE - push {ref}")
        return 0
    return push_images(session, refs, quiet=args.quiet, ignore_failures=args.ignore_push_failures)
