"""`pycompose push`: push the images of services that are built here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...app.session import require_services
from ...credentials.lookup import registry_auth
from ...errors import EngineError
from ...run.events import DONE, ERROR, Progress
from ..session import Session
from ..show import legible

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Mapping, Sequence

    from ..flags.parser import Parser

_OVER = ("Pushed", "Layer already exists", "Mounted")


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
    """Push the image of each service, one after the other; the exit code. ``images`` are service -> reference, ``skipped``
    services that have none to push."""
    from ..show.render import choose_renderer

    args = session.args
    failures: list[str] = []
    pushed: set[str] = set()
    renderer = choose_renderer("quiet" if quiet else args.progress, args.ansi, "Pushing")
    with renderer:
        for name in skipped:
            renderer.handle(Progress(name, "Skipped", DONE))
        for service, ref in images.items():
            if ref in pushed:
                continue
            pushed.add(ref)
            shown = f"{'DRY-RUN MODE -  ' if args.dry_run else ''}{service}"
            renderer.handle(Progress(shown, "Pushing"))
            try:
                if not args.dry_run:
                    _push(session, ref, shown, renderer.handle)
            except EngineError as error:
                failures.append(f"{ref}: {error}")
                renderer.handle(Progress(shown, "Error", ERROR, detail=str(error)))
                continue
            renderer.handle(Progress(shown, "Pushed", DONE))
    for text in failures:
        legible.complain(text)
    return 1 if failures and not ignore_failures else 0


def _push(session: Session, ref: str, shown: str, handle: Callable[[Progress], None]) -> None:
    for line in session.engine.images.push(ref, auth=registry_auth(ref)):
        status = str(line.get("status") or "")
        detail = line.get("progressDetail")
        if not line.get("id") or detail is None or not status:
            continue
        handle(
            Progress(
                str(line["id"]),
                status,
                DONE if status.startswith(_OVER) else "working",
                parent=shown,
                current=int(detail.get("current") or 0),
                total=int(detail.get("total") or 0),
            )
        )


def run(args: Namespace) -> int:
    from ...plan.graph import closure

    session = Session(args)
    project = session.project
    require_services(args.services, list(project.services))
    names = list(args.services) or list(project.services)
    if args.include_deps:
        names = closure(project.services, names)
    images = {
        name: str(project.services[name]["image"])
        for name in names
        if project.services[name].get("build") and project.services[name].get("image")
    }
    others = [name for name in names if name not in images]
    return push_images(session, images, others, quiet=args.quiet, ignore_failures=args.ignore_push_failures)
