"""Pulling the services' images, whatever the engine has already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..dataclass import dataclass, field
from .session import require_services

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..plan.ops import PullImage
    from .converge import Convergence
    from .session import Session


@dataclass(frozen=True, slots=True)
class PullOptions:
    """``services``: all without any, with ``include_deps`` and what they depend on. ``policy``: missing leaves what is there,
    always (or "") pulls it again. ``ignore_failures``: an image that cannot be pulled is no failure."""

    services: tuple[str, ...] = ()
    policy: str = ""
    include_deps: bool = False
    ignore_buildable: bool = False
    ignore_failures: bool = False
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Pulls:
    """What is to be pulled, by reference; services left out, each with the reason; and services that could be built instead, by
    reference."""

    operations: dict[str, PullImage] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    buildable: dict[str, str] = field(default_factory=dict)


def pull(session: Session, options: PullOptions) -> tuple[Convergence, list[str]]:
    """Pull. Returns with failures recorded, not raised, and the services whose image must be built because it is nowhere to be
    pulled from. Raises `UsageError` for a name that is no service."""
    from ..plan.observe import Snapshot
    from ..plan.plan import assemble
    from ..run.events import DONE, Progress
    from ..run.execute import run_plan
    from ..run.perform import Settings, World
    from .converge import Convergence
    from .dryrun import dry_run

    project = session.project
    pulls = wanted_pulls(session, options)
    plan = assemble(project.name, list(pulls.operations.values()))
    display = session.listener.progress("Pulling")
    snapshot = Snapshot(project.name)
    world = World(session.engine, snapshot, display.handle, project, settings=Settings(quiet_pull=options.quiet))
    result = Convergence(plans=[plan], world=world, snapshot=snapshot)
    with display:
        for name, why in pulls.skipped.items():
            display.handle(Progress(name, "Skipped", DONE, detail=f"- {why}"))
        if session.choices.dry_run:
            dry_run(plan, display.handle)
            return result, []
        result.outcomes = run_plan(plan, world)
    return result, [name for ref, name in pulls.buildable.items() if ref not in world.pulled]


def wanted_pulls(session: Session, options: PullOptions) -> Pulls:
    """The images of the services themselves, then those that they need besides: of hooks, and images that they mount."""
    from ..labels import dependent_images, image_name
    from ..plan.graph import closure
    from ..plan.observe import observe_image

    project = session.project
    require_services(options.services, list(project.services))
    names: Sequence[str] = options.services or list(project.services)
    if options.include_deps:
        names = closure(project.services, names)
    found = Pulls()
    for name in names:
        _add_own(session, name, options, found)
    named = {image_name(project, name) for name in project.services}
    for name in names:
        service = project.services[name]
        if service.get("provider") or service.get("pull_policy") == "never":
            continue
        for ref in dependent_images(project, name):
            if ref in found.operations or ref in named:
                continue
            if options.policy != "missing" or observe_image(session.engine, ref) is None:
                found.operations[ref] = _operation(ref, ref, "", options)
    return found


def _add_own(session: Session, name: str, options: PullOptions, found: Pulls) -> None:
    from ..labels import image_name
    from ..plan.observe import observe_image

    service = session.project.services[name]
    ref = image_name(session.project, name)
    if not service.get("image") or service.get("provider") or ref in found.operations:
        return
    is_buildable = bool(service.get("build"))
    if is_buildable and options.ignore_buildable:
        found.skipped[name] = "Image can be built"
    elif service.get("pull_policy") in ("never", "build"):
        found.skipped[name] = f"pull_policy is {service['pull_policy']}"
    elif options.policy == "missing" and observe_image(session.engine, ref) is not None:
        found.skipped[name] = "Image is already present locally"
    else:
        if is_buildable:
            found.buildable[ref] = name
        found.operations[ref] = _operation(ref, name, service.get("platform", ""), options)


def _operation(ref: str, service: str, platform: str, options: PullOptions) -> PullImage:
    from ..plan.ops import Cause, PullImage

    cause = Cause("a pull was asked for")
    return PullImage(ref=ref, service=service, platform=platform, optional=options.ignore_failures, cause=cause)
