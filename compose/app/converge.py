"""Bringing a project to what its model says: observe, plan, carry out, and record what became of each operation."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from ..dataclass import dataclass, field
from ..errors import ComposeError, OperationError, PlanError
from ..plan.reconcile.up import needs_image_stage, reconcile_up, selection
from ..run.events import DONE, Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..model import Project
    from ..plan.observe import Snapshot
    from ..plan.plan import Plan
    from ..plan.preflight import Ids
    from ..plan.reconcile.options import UpOptions
    from ..run.events import Emit
    from ..run.execute import Outcome
    from ..run.perform import Settings, World
    from .session import Session


@dataclass(slots=True)
class Convergence:
    """What happened: the plans in order, their outcomes, and the state they started from."""

    plans: list[Plan] = field(default_factory=list)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    world: World | None = None
    snapshot: Snapshot | None = None
    started: float = 0.0

    @property
    def failures(self) -> list[tuple[str, ComposeError]]:
        """The operations that failed, by their keys, each with its error; empty when all is as asked for."""
        return [(key, one.error) for key, one in self.outcomes.items() if one.error is not None]


def parallel_limit(session: Session) -> int | None:
    """The bound that was chosen, or COMPOSE_PARALLEL_LIMIT; None for no bound. Raises `OperationError`."""
    number = session.choices.parallel
    if number is None:
        text = session.choices.environment.get("COMPOSE_PARALLEL_LIMIT")
        if not text:
            return None
        try:
            number = int(text)
        except ValueError:
            raise OperationError(f"COMPOSE_PARALLEL_LIMIT: {text!r} is not a number") from None
    return number if number > 0 else None


def prepare(session: Session, options: UpOptions) -> tuple[Project, Snapshot, dict[tuple[str, str], str]]:
    """The loaded project, the observed state, and the digests of its configs' and secrets' contents."""
    from ..plan.digest import content_digests
    from ..plan.observe import observe
    from ..plan.reconcile.jobs import scheduled

    project = session.project
    names = selection(project, options)
    from ..labels import service_images

    running = [name for name in names if not project.services[name].get("provider")]
    jobs = [] if options.services else scheduled(project)
    view = project.with_jobs(*jobs)
    refs = dict.fromkeys(ref for name in (*running, *jobs) for ref in service_images(view, name))
    return project, observe(session.engine, project, images=refs), content_digests(project)


def converge(
    session: Session,
    options: UpOptions,
    *,
    settings: Settings | None = None,
    wait_timeout: float | None = None,
    attach: Callable[[World, Plan], None] | None = None,
) -> Convergence:
    """Bring the project to what the model says. With ``attach``, containers are created first, then ``attach`` is called,
    and only then is anything started.

    Returns with failures recorded, not raised; planning errors are raised.
    """
    from ..plan.ops import BuildImage, PullImage
    from ..run.lock import project_lock
    from ..run.perform import Settings

    if not session.project.services and not session.project.jobs:
        raise PlanError("no service selected")
    result = Convergence(started=time.monotonic())

    def waiting() -> None:
        session.listener.note(f"another command is changing project {session.project.name}; waiting for it")

    with project_lock(str(session.engine.endpoint.address), session.project.name, waiting):
        project, snapshot, contents = prepare(session, options)
        stage = needs_image_stage(project, snapshot, options, time.time())
        if stage is not None:
            check_supported(project, session)
            check_contradictions(project, options, snapshot, images_change=True)
            _run(session, result, _Stage(stage, snapshot, contents, settings or Settings()))
            if result.failures:
                return result
            snapshot = prepare(session, options)[1]
            from dataclasses import replace

            options = replace(options, build=None if options.build else options.build, pull="missing")
        plan = reconcile_up(project, snapshot, options, contents, now=0.0 if stage is not None else time.time())
        for warning in plan.warnings:
            session.listener.warn(str(warning))
        if stage is not None:
            plan = _without_images(plan)
        elif plan.operations:
            check_supported(project, session)
        if plan.operations:
            changing = stage is None and any(isinstance(one, (PullImage, BuildImage)) for one in plan.operations)
            check_contradictions(project, options, snapshot, images_change=changing)
            _check_of_this_machine(session, project, plan)
        last = _Stage(plan, snapshot, contents, settings or Settings())
        _run(session, result, last, wait_timeout, attach, starts=options.start)
    return result


def check_supported(project: Project, session: Session) -> None:
    """Refuse keys in use that cannot be carried out, before anything is made, and warn of those without effect.

    Only called when there is something to do: what runs already has passed, and the table costs an `up` with nothing to do
    more than the rest of it. Raises LoadError with every place."""
    from ..errors import LoadError
    from ..load.conformance import ignored, own_jobs, own_maps, own_probes, refused

    found = refused(project)
    if not session.engine.is_pycompose:
        found += own_probes(project) + own_jobs(project) + own_maps(project)
    if any(service.get("models") for service in project.services.values()):
        from ..run.plugins import missing_model_plugin

        found += missing_model_plugin(project)
    if found:
        raise LoadError(found)
    for diagnostic in ignored(project, own_engine=session.engine.is_pycompose):
        session.listener.warn(str(diagnostic))


def check_contradictions(project: Project, options: UpOptions, snapshot: Snapshot, *, images_change: bool) -> None:
    """Refuse what can never be had, before anything is made. Raises LoadError with every place."""
    from ..errors import LoadError
    from ..plan.preflight import contradictions

    names = selection(project, options)
    found = contradictions(project, names, options.scale, snapshot, images_change=images_change)
    if found:
        raise LoadError(found)


def _check_of_this_machine(session: Session, project: Project, plan: Plan) -> None:
    """Look at paths and ports of this machine, which an engine behind a unix socket shares: warn of bind mounts that will
    surprise, and refuse ports that somebody else has before a container is replaced for them. Raises PlanError."""
    from ..plan.ops import CreateContainer
    from ..plan.preflight import Ids, binds, fixed_ports

    socket = session.engine.endpoint.address.path
    if socket is None:
        return
    created = dict.fromkeys(one.service for one in plan.operations if isinstance(one, CreateContainer))
    for diagnostic in binds(project, created, _ids(session, socket) if created else Ids()):
        session.listener.warn(str(diagnostic))
    wanted = list(fixed_ports(project, created))
    if wanted:
        from .holders import ports_in_use

        found = ports_in_use(session.engine, project, wanted)
        if found:
            raise PlanError("\n".join(map(str, found)))


def _ids(session: Session, socket: str) -> Ids:
    """Whose engine it is tells its socket; of root's nothing has to be asked."""
    import os

    from ..plan.preflight import Ids

    try:
        owner = os.stat(socket).st_uid
    except OSError:
        return Ids()
    if not owner or not session.engine.is_pycompose:
        return Ids()
    return Ids(owner, session.engine.system.has_one_id())


def _without_images(plan: Plan) -> Plan:
    """Images were dealt with in the stage before; what pull policies say again now is the same thing."""
    from dataclasses import replace

    from ..plan.ops import BuildImage, PullImage

    return replace(
        plan, operations=tuple(one for one in plan.operations if not isinstance(one, (PullImage, BuildImage)))
    )


class _Stage(NamedTuple):
    """A plan to carry out, and what it was made from."""

    plan: Plan
    snapshot: Snapshot
    contents: dict[tuple[str, str], str]
    settings: Settings

    def world(self, session: Session, emit: Emit) -> World:
        from ..run.perform import World

        return World(session.engine, self.snapshot, emit, session.project, self.contents, self.settings)


def _run(
    session: Session,
    result: Convergence,
    stage: _Stage,
    wait_timeout: float | None = None,
    attach: Callable[[World, Plan], None] | None = None,
    *,
    starts: bool = True,
) -> None:
    from ..plan.ops import StartContainer

    plan = stage.plan
    result.plans.append(plan)
    result.snapshot = stage.snapshot
    display = session.listener.progress()
    world = stage.world(session, display.handle)
    result.world = world
    first, second = split(plan) if attach is not None else ([one.key for one in plan.operations], [])
    with display:
        for one in plan.unchanged:
            word = "Running" if one.state == "running" else one.state.capitalize() if starts else "Created"
            display.handle(Progress(f"Container {one.name}", word, DONE))
        if session.choices.dry_run:
            from .dryrun import dry_run

            dry_run(plan, display.handle)
            return
        images = [key for key in first if key in _image_keys(plan)]
        for keys in filter(None, (images, [key for key in first if key not in images])):
            from ..run.execute import run_plan

            result.outcomes |= run_plan(
                plan,
                world,
                parallel=parallel_limit(session),
                wait_timeout=wait_timeout,
                only=keys,
                known=result.outcomes,
            )
            if result.failures:
                break  # without all images nothing is made; the other keys have nothing after them here
        for operation in plan.operations:
            if isinstance(operation, StartContainer) and operation.id and operation.key in second:
                display.handle(Progress(f"Container {operation.name}", "Created", DONE))
    if attach is not None and not result.failures:
        world = stage.world(session, lambda event: None)
        world.container_ids |= result.world.container_ids
        world.service_containers |= result.world.service_containers
        world.image_ids |= result.world.image_ids
        world.replacing |= result.world.replacing
        world.provided |= result.world.provided
        world.model_endpoints |= result.world.model_endpoints
        result.world = world
        attach(world, plan)
        if second:
            from ..run.execute import run_plan

            result.outcomes |= run_plan(
                plan, world, parallel=parallel_limit(session), only=second, known=result.outcomes
            )


def _image_keys(plan: Plan) -> set[str]:
    from ..plan.ops import BuildImage, PullImage

    return {one.key for one in plan.operations if isinstance(one, (PullImage, BuildImage))}


def run_recorded(session: Session, result: Convergence, plan: Plan, world: World) -> None:
    """Carry out ``plan`` and add its outcomes to ``result``; an empty plan costs nothing."""
    if plan.empty:
        return
    from ..run.execute import run_plan

    result.outcomes |= run_plan(plan, world, parallel=parallel_limit(session))


def split(plan: Plan) -> tuple[list[str], list[str]]:
    """The operations before anything starts, and those from the first start on."""
    from ..plan.ops import MonitorContainer, RollBack, RunPreStart, StartContainer, WaitCompleted, WaitHealthy

    later: set[str] = set()
    first: list[str] = []
    second: list[str] = []
    for operation in plan.operations:
        starts = isinstance(
            operation, (RunPreStart, StartContainer, WaitHealthy, WaitCompleted, MonitorContainer, RollBack)
        )
        if starts or any(key in later for key in (*operation.needs, *operation.after)):
            later.add(operation.key)
            second.append(operation.key)
        else:
            first.append(operation.key)
    return first, second
