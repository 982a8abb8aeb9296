"""`pycompose push`: push the images of services that are built here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..session import Session
from ..show import legible

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping, Sequence

    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "--ignore-push-failures", action="store_true", help="Push what it can and ignores images with push failures"
    )
    parser.add_argument(
        "--include-deps", action="store_true", help="Also push images of services declared as dependencies"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="Push without printing progress information")
    parser.add_argument("services", nargs="*", metavar="SERVICE")


def push_images(
    session: Session,
    images: Mapping[str, str],
    skipped: Sequence[str] = (),
    *,
    quiet: bool = False,
    ignore_failures: bool = False,
) -> int:
    """Push, and tell what could not be pushed; the exit code."""
    from ...app.pushing import push

    if quiet:
        session.args.progress = "quiet"
    failures = push(session, images, skipped)
    for ref, error in failures:
        legible.complain(f"{ref}: {error}")
    return 1 if failures and not ignore_failures else 0


def run(args: Namespace) -> int:
    from ...app.pushing import pushable

    session = Session(args)
    images, others = pushable(session, args.services, include_deps=args.include_deps)
    return push_images(session, images, others, quiet=args.quiet, ignore_failures=args.ignore_push_failures)
