"""Building the services' images, each after those whose images it builds upon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .session import require_services

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..build.trees import BuildFlags
    from ..model.service import Service
    from ..plan.plan import Plan
    from .converge import Convergence
    from .session import Session


def buildable(session: Session, services: Sequence[str], *, dependencies: bool = False) -> list[str]:
    """The services among ``services`` (all without any), and their ``dependencies``, that have a build section."""
    from ..plan.graph import closure

    project = session.project
    require_services(services, [*project.services, *project.disabled_services])
    wanted = list(services) or list(project.services)
    names: Iterable[str] = closure(project.services, wanted) if dependencies else wanted
    return [name for name in names if project.services.get(name, {}).get("build")]


def plan_build(session: Session, names: Sequence[str]) -> Plan:
    """A build of each of ``names``, and before it of those whose images it is given as contexts."""
    from ..plan.observe import Snapshot
    from ..plan.plan import assemble
    from ..plan.reconcile.images import plan_images
    from ..plan.reconcile.options import UpOptions

    project = session.project
    ordered = _with_contexts(project.services, names)
    images = plan_images(project, ordered, Snapshot(project.name), UpOptions(build=True), 0.0)
    return assemble(project.name, images.operations)


def build(
    session: Session,
    services: Sequence[str],
    settings: BuildFlags,
    *,
    dependencies: bool = False,
    quiet: bool = False,
) -> Convergence:
    """Build. Returns with failures
    recorded, not raised."""
    from ..plan.observe import Snapshot
    from ..run.execute import run_plan
    from ..run.perform import Settings, World
    from .converge import Convergence
    from .dryrun import dry_run

    names = buildable(session, services, dependencies=dependencies)
    if not names:
        session.listener.note("No services to build")
        return Convergence()
    plan = plan_build(session, names)
    display = session.listener.progress("Building")
    snapshot = Snapshot(session.project.name)
    how = Settings(build=settings, quiet_build=quiet)
    world = World(session.engine, snapshot, display.handle, session.project, settings=how)
    result = Convergence(plans=[plan], world=world, snapshot=snapshot)
    with display:
        if session.choices.dry_run:
            dry_run(plan, display.handle)
        else:
            result.outcomes = run_plan(plan, world)
    return result


def _with_contexts(services: Mapping[str, Service], names: Sequence[str]) -> list[str]:
    """``names`` and the services whose images are contexts of theirs, those first."""
    order: list[str] = []

    def visit(name: str) -> None:
        if name in order:
            return
        for source in services[name].get("build", {}).get("additional_contexts", {}).values():
            other = source.removeprefix("service:")
            if source.startswith("service:") and other in services:
                visit(other)
        order.append(name)

    for name in names:
        visit(name)
    return order
