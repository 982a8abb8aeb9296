"""A one-off container of a service: what differs from the service, what has to be there first, and the container itself."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from ..dataclass import dataclass, field
from ..errors import EngineError, OperationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..model import Project
    from ..model.service import Mount, Port, Service
    from ..plan.observe import Snapshot
    from ..plan.ops import Operation
    from ..run.perform import World
    from .session import Session

DEFAULT_GRACE = 10.0


@dataclass(frozen=True, slots=True)
class OneOffOptions:
    """What differs from the service. ``ports`` and ``volumes`` are in the Compose file's long form and are added;
    ``environment`` and ``labels`` overrule single ones. Without ``command`` and ``entrypoint`` the service's hold."""

    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    environment: Mapping[str, str | None] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    volumes: tuple[Mount, ...] = ()
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    user: str | None = None
    working_dir: str | None = None
    service_ports: bool = False
    use_aliases: bool = False
    dependencies: bool = True
    remove_orphans: bool = False
    build: bool = False
    pull: str = ""
    quiet_pull: bool = False
    quiet_build: bool = False


def overridden(project: Project, name: str, options: OneOffOptions) -> Service:
    """Service ``name`` as a one-off container wants it."""
    service: Service = {**project.services[name]}
    service.pop("container_name", None)
    service.pop("restart", None)
    deploy = service.pop("deploy", None)
    if deploy:
        service["deploy"] = {"resources": deploy.get("resources") or {}}
    service["ports"] = [*(service.get("ports", ()) if options.service_ports else ()), *options.ports]
    if options.entrypoint is not None:
        service["entrypoint"], service["command"] = list(options.entrypoint), None
    if options.volumes:
        targets = {one["target"] for one in options.volumes}
        kept = [one for one in service.get("volumes", ()) if one["target"] not in targets]
        service["volumes"] = [*kept, *map(_absolute, options.volumes)]
    service["environment"] = {**service.get("environment", {}), **options.environment}
    service["labels"] = {**service.get("labels", {}), **options.labels}
    if options.cap_add:
        service["cap_add"] = [*service.get("cap_add", ()), *options.cap_add]
    if options.cap_drop:
        service["cap_drop"] = [*service.get("cap_drop", ()), *options.cap_drop]
    if options.user is not None:
        service["user"] = options.user
    if options.working_dir is not None:
        service["working_dir"] = options.working_dir
    if options.command:
        service["command"] = list(options.command)
    return service


def _absolute(volume: Mount) -> Mount:
    if volume.get("type") != "bind":
        return volume
    return {**volume, "source": os.path.abspath(os.path.expanduser(volume["source"]))}


def stop_grace(service: Service) -> float:
    """Seconds between the request to end and the kill."""
    given = service.get("stop_grace_period")
    return DEFAULT_GRACE if given is None else given.seconds


def prepare_world(session: Session, name: str, options: OneOffOptions) -> World:
    """Dependencies up and ready, image, networks and volumes there. Raises `StackError` when that failed."""
    from ..labels import service_images
    from ..plan.digest import content_digests
    from ..plan.graph import dependencies
    from ..plan.observe import observe
    from ..plan.plan import assemble
    from ..plan.reconcile.images import plan_images
    from ..plan.reconcile.models import plan_models
    from ..plan.reconcile.options import UpOptions
    from ..plan.reconcile.resources import plan_resources
    from ..run.lock import project_lock
    from ..run.perform import Settings, World
    from .converge import Convergence, converge, run_recorded
    from .report import settled

    project = session.project
    settings = Settings(quiet_pull=options.quiet_pull, quiet_build=options.quiet_build)
    provided: dict[str, dict[str, str]] = {}
    needed = [other for other in dependencies(project.services[name]) if other in project.services]
    if needed and options.dependencies:
        up = UpOptions(
            services=tuple(needed), remove_orphans=options.remove_orphans, ignore_orphans=not options.remove_orphans
        )
        result = settled(session, converge(session, up, settings=settings))
        if result.world is not None:
            provided = result.world.provided
    with project_lock(str(session.engine.endpoint.address), project.name):
        snapshot = observe(session.engine, project, images=service_images(project, name))
        wanted = UpOptions(build=True if options.build else None, pull=options.pull)
        images = plan_images(project, [name], snapshot, wanted, 0.0)
        resources = plan_resources(project, [name], snapshot)
        waits = condition_waits(project, name, snapshot) if options.dependencies else []
        models = plan_models(project, [name])
        plan = assemble(project.name, [*images.operations, *resources.operations, *models, *waits])
        display = session.listener.progress()
        world = World(session.engine, snapshot, display.handle, project, content_digests(project), settings)
        world.provided |= provided
        result = Convergence(plans=[plan], world=world, snapshot=snapshot)
        with display:
            if not session.choices.dry_run:
                run_recorded(session, result, plan, world)
    settled(session, result)
    return world


@contextmanager
def in_terms_of_the_file(session: Session, name: str, options: OneOffOptions) -> Iterator[None]:
    """Errors of the engine inside become those of the line that asks for what could not be had, as those of `up` do; where the
    command line asks for it, they say who has the port at least."""
    from ..plan import remedies
    from .holders import port_holder

    try:
        yield
    except EngineError as error:
        taken = remedies.taken_port(str(error))
        if options.service_ports if taken is not None else not (options.command or options.entrypoint is not None):
            found = remedies.explain(session.project, name, str(error), partial(port_holder, session.engine))
            if found is not None:
                raise OperationError(str(found)) from error
        holder = port_holder(session.engine, taken) if taken is not None else ""
        if taken is not None and holder:
            raise OperationError(f"port {taken.port} is used by {holder}; choose another") from error
        raise


def condition_waits(project: Project, name: str, snapshot: Snapshot) -> list[Operation]:
    """What ``name`` still has to wait for, now that its dependencies are up."""
    from ..plan.graph import COMPLETED, HEALTHY, dependencies
    from ..plan.ops import Cause, WaitCompleted, WaitHealthy

    waits: list[Operation] = []
    for other, dependency in dependencies(project.services[name]).items():
        cause = Cause(f"service {name} waits for it", mark=project.mark("services", name, "depends_on", other))
        for one in snapshot.of_service(other):
            if dependency.condition == HEALTHY and one.health != "healthy":
                waits.append(WaitHealthy(id=one.id, name=one.name, service=other, number=one.number, cause=cause))
            elif dependency.condition == COMPLETED and not (one.state == "exited" and one.exit_code == 0):
                waits.append(WaitCompleted(id=one.id, name=one.name, service=other, number=one.number, cause=cause))
    return waits


@dataclass(frozen=True, slots=True)
class Attachment:
    """The container's own settings: its name, and how its standard streams are. ``console`` is (rows, columns)."""

    name: str
    slug: str
    tty: bool = False
    stdin: bool = False
    auto_remove: bool = False
    console: tuple[int, int] | None = None


def create(session: Session, world: World, name: str, options: OneOffOptions, how: Attachment) -> str:
    """The container's id. It is created and not started; on failure nothing is left of it."""
    from ..convert.container import OneOff, create_request
    from ..run.perform.containers import facts_for, place_files, removed_on_failure

    project, engine = session.project, session.engine
    service = overridden(project, name, options)
    one_off = OneOff(
        name=how.name,
        slug=how.slug,
        use_aliases=options.use_aliases,
        auto_remove=how.auto_remove,
        tty=how.tty,
        stdin=how.stdin,
    )
    request = create_request(project, name, 1, facts_for(world, name, {}), one_off, service)
    if how.tty:
        request.body["HostConfig"]["ConsoleSize"] = list(how.console or (0, 0))
    with removed_on_failure(engine) as made:
        identity = str(engine.containers.create(request.body, request.name, request.platform)["Id"])
        made.append(identity)
        for network, settings in request.connect:
            engine.networks.connect(network, identity, settings)
        place_files(world, identity, request.files)
    return identity
