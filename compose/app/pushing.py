"""Pushing the services' images, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..credentials.lookup import registry_auth
from ..errors import EngineError
from ..run.events import DONE, ERROR, Progress, transfer_part
from .session import require_services

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .session import Session

_OVER = ("Pushed", "Layer already exists", "Mounted")


def pushable(
    session: Session, services: Sequence[str], *, include_deps: bool = False
) -> tuple[dict[str, str], list[str]]:
    """The references of those that are built here and named, by service; and the services that have none to push. All services
    without any, with ``include_deps`` what they depend on too. Raises `UsageError` for a name that is no service."""
    from ..plan.graph import closure

    project = session.project
    require_services(services, list(project.services))
    names = list(services) or list(project.services)
    if include_deps:
        names = closure(project.services, names)
    images = {
        name: project.services[name]["image"]
        for name in names
        if project.services[name].get("build") and project.services[name].get("image")
    }
    return images, [name for name in names if name not in images]


def push(session: Session, images: Mapping[str, str], skipped: Sequence[str] = ()) -> list[tuple[str, EngineError]]:
    """Push ``images``, service -> reference, each reference once; ``skipped`` services have none to push. The references that
    could not be pushed, with the reasons."""
    failures: list[tuple[str, EngineError]] = []
    pushed: set[str] = set()
    display = session.listener.progress("Pushing")
    is_dry = session.choices.dry_run
    with display:
        for name in skipped:
            display.handle(Progress(name, "Skipped", DONE))
        for service, ref in images.items():
            if ref in pushed:
                continue
            pushed.add(ref)
            shown = f"{'DRY-RUN MODE -  ' if is_dry else ''}{service}"
            display.handle(Progress(shown, "Pushing"))
            try:
                if not is_dry:
                    _push(session, ref, shown, display.handle)
            except EngineError as error:
                failures.append((ref, error))
                display.handle(Progress(shown, "Error", ERROR, detail=str(error)))
                continue
            display.handle(Progress(shown, "Pushed", DONE))
    return failures


def _push(session: Session, ref: str, shown: str, handle: Callable[[Progress], None]) -> None:
    for line in session.engine.images.push(ref, auth=registry_auth(ref)):
        part = transfer_part(line, shown, _OVER)
        if part is not None and part.status:
            handle(part)
