"""`pycompose run`: a one-off command in a container of its own, made like the service's; its exit code is ours."""

from __future__ import annotations

import argparse
import secrets
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from ..project.session import Session, require_services

if TYPE_CHECKING:
    from argparse import Namespace

    from ...model import Project
    from ...run.perform import World
    from ..flags.parser import Parser

INTERSPERSED = False
DEFAULT_GRACE = 10.0


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag("--build", action="store_true", help="Build image before starting container")
    flag("--cap-add", action="append", default=[], metavar="CAP", help="Add Linux capabilities")
    flag("--cap-drop", action="append", default=[], metavar="CAP", help="Drop Linux capabilities")
    flag("-d", "--detach", action="store_true", help="Run container in background and print container ID")
    flag("--entrypoint", metavar="COMMAND", help="Override the entrypoint of the image")
    flag("-e", "--env", action="append", default=[], metavar="KEY=VALUE", help="Set environment variables")
    flag("--env-from-file", action="append", default=[], metavar="FILE", help="Set environment variables from file")
    flag("-i", "--interactive", action="store_true", default=True, help="Keep STDIN open even if not attached")
    flag("-l", "--label", action="append", default=[], metavar="KEY=VALUE", help="Add or override a label")
    flag("--name", metavar="NAME", help="Assign a name to the container")
    flag("-T", "--no-TTY", "--no-tty", action="store_true", dest="no_tty", help="Disable pseudo-TTY allocation")
    flag("-t", "--tty", action="store_true", help="Allocate a pseudo-TTY (default where there is a terminal)")
    flag("--no-deps", action="store_true", help="Don't start linked services")
    flag(
        "-p", "--publish", action="append", default=[], metavar="PORT", help="Publish a container's port(s) to the host"
    )
    flag("--pull", metavar="POLICY", help='Pull image before running ("always"|"missing"|"never")')
    flag("-q", "--quiet", action="store_true", help="Don't print anything but the command's own output")
    flag("--quiet-build", action="store_true", help="Suppress the build output")
    flag("--quiet-pull", action="store_true", help="Pull without printing progress information")
    flag("--remove-orphans", action="store_true", help="Remove containers for services not defined in the Compose file")
    flag("--rm", action="store_true", help="Automatically remove the container when it exits")
    flag(
        "-P",
        "--service-ports",
        action="store_true",
        help="Run command with all service's ports enabled and mapped to the host",
    )
    flag(
        "--use-aliases",
        action="store_true",
        help="Use the service's network aliases in the network(s) the container connects to",
    )
    flag("-u", "--user", metavar="USER", help="Run as specified username or uid")
    flag("-v", "--volume", action="append", default=[], metavar="VOLUME", help="Bind mount a volume")
    flag("-w", "--workdir", metavar="DIR", help="Working directory inside the container")
    flag("--labels", action="append", dest="label", help=argparse.SUPPRESS)
    flag("--volumes", action="append", dest="volume", help=argparse.SUPPRESS)
    parser.add_argument("service")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")


def one_off_service(project: Project, name: str, args: Namespace) -> dict[str, Any]:
    """The service as this run wants it."""
    import os

    from ....grammar.ports import parse as parse_ports
    from ...convert.values import pairs
    from ...shortforms import parse_volume, split_command
    from ..flags.parser import FlagError

    service: dict[str, Any] = dict(project.services[name])
    for key in ("container_name", "restart", "deploy"):
        value = service.pop(key, None)
        if key == "deploy" and value:
            service["deploy"] = {"resources": value.get("resources") or {}}
    ports = list(service.get("ports") or ()) if args.service_ports else []
    try:
        for text in args.publish:
            ports += [
                {"target": one.target, "published": one.published, "protocol": one.protocol, "host_ip": one.host_ip}
                for one in parse_ports(text)
            ]
        added = [parse_volume(text) for text in args.volume]
        if args.entrypoint is not None:
            service["entrypoint"] = split_command(args.entrypoint)
            service["command"] = None
    except ValueError as error:
        raise FlagError(str(error)) from None
    service["ports"] = ports
    if args.service_ports and args.publish:
        raise FlagError("--service-ports and --publish are incompatible")
    for text in args.label:
        if "=" not in text:
            raise FlagError(f"label must be set as KEY=VALUE: {text}")
    if added:
        for one in added:
            if one.get("type") == "bind":
                one["source"] = os.path.abspath(os.path.expanduser(one["source"]))
        targets = {one["target"] for one in added}
        service["volumes"] = [one for one in service.get("volumes") or () if one["target"] not in targets] + added
    environment = dict(service.get("environment") or {})
    for path in args.env_from_file:
        environment |= env_file(path)
    for item in args.env:
        key, equals, value = item.partition("=")
        environment[key] = value if equals else os.environ.get(key)
    service["environment"] = environment
    service["labels"] = {**pairs(service.get("labels")), **pairs(args.label)}
    service["cap_add"] = [*(service.get("cap_add") or ()), *args.cap_add] or None
    service["cap_drop"] = [*(service.get("cap_drop") or ()), *args.cap_drop] or None
    if args.user is not None:
        service["user"] = args.user
    if args.workdir is not None:
        service["working_dir"] = args.workdir
    if args.command:
        service["command"] = list(args.command)
    return service


def env_file(path: str) -> dict[str, str | None]:
    """``KEY=VALUE`` lines, taken literally; a bare KEY takes this process's value."""
    import os

    from ... import files
    from ...errors import OperationError

    result: dict[str, str | None] = {}
    try:
        for line in files.text(path).splitlines():
            text = line.strip()
            if text and not text.startswith("#"):
                key, equals, value = text.partition("=")
                result[key.strip()] = value if equals else os.environ.get(key)
    except (OSError, UnicodeDecodeError) as error:
        raise OperationError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    return result


def run(args: Namespace) -> int:
    from ...convert.container import OneOff, create_request
    from ...errors import OperationError
    from ...run.perform.containers import facts_for, place_files, removed_on_failure
    from ..project.converge import check_supported

    session = Session(args)
    if args.quiet:
        args.progress = "quiet"
        args.quiet_pull = args.quiet_build = True
    project = session.project
    require_services([args.service], list(project.services))
    check_supported(project, session)
    service = one_off_service(project, args.service, args)
    world = prepare_world(session, args)
    if isinstance(world, int):
        return world
    slug = secrets.token_hex(6)
    if args.tty and args.interactive and not sys.stdin.isatty():
        raise OperationError("the input device is not a TTY")
    tty = not args.no_tty and (args.tty or (sys.stdin.isatty() and sys.stdout.isatty()))
    oneoff = OneOff(
        name=args.name or f"{project.name}-{args.service}-run-{slug}",
        slug=slug,
        use_aliases=args.use_aliases,
        auto_remove=args.rm,
        tty=tty,
        stdin=args.interactive,
    )
    if args.dry_run:
        if not args.detach:
            raise OperationError("interactive run is not supported in dry-run mode")
        print(oneoff.name)
        return 0
    request = create_request(project, args.service, 1, facts_for(world, args.service, {}), oneoff, service)
    engine = session.engine
    if tty:
        from .exec import console_size

        request.body["HostConfig"]["ConsoleSize"] = list(console_size() or (0, 0))
    with removed_on_failure(engine) as made:
        identity = str(engine.containers.create(request.body, request.name, request.platform)["Id"])
        made.append(identity)
        for network, settings in request.connect:
            engine.networks.connect(network, identity, settings)
        place_files(world, identity, request.files)
    if args.detach:
        engine.containers.start(identity)
        print(identity)
        return 0
    from ..streams.interactive import attach_and_run

    return attach_and_run(
        engine,
        identity,
        stdin=args.interactive,
        start=partial(engine.containers.start, identity),
        removes_itself=args.rm,
        grace=stop_grace(service),
    )


def stop_grace(service: dict[str, Any]) -> float:
    """Seconds between the request to end and the kill."""
    from ....grammar import durations

    text = service.get("stop_grace_period")
    return durations.parse(str(text)) / 1e9 if text is not None else DEFAULT_GRACE


def prepare_world(session: Session, args: Namespace) -> World | int:
    """Dependencies up and ready, image, networks and volumes there. An exit code when that failed."""
    from ...plan.graph import dependencies
    from ...plan.observe import observe
    from ...plan.plan import assemble
    from ...plan.reconcile.images import plan_images
    from ...plan.reconcile.models import plan_models
    from ...plan.reconcile.options import UpOptions
    from ...plan.reconcile.resources import plan_resources
    from ...run.lock import project_lock
    from ...run.perform import Settings, World
    from ..project.converge import Convergence, converge, report_failures, run_recorded

    project = session.project
    service = project.services[args.service]
    settings = Settings(quiet_pull=args.quiet_pull, quiet_build=args.quiet_build)
    provided: dict[str, dict[str, str]] = {}
    needed = [name for name in dependencies(service) if name in project.services]
    if needed and not args.no_deps:
        options = UpOptions(
            services=tuple(needed), remove_orphans=args.remove_orphans, ignore_orphans=not args.remove_orphans
        )
        result = converge(session, options, settings=settings)
        if result.failures:
            return report_failures(session, result)
        if result.world is not None:
            provided = result.world.provided
    from ...labels import service_images
    from ...plan.digest import content_digests
    from ..show.render import choose_renderer

    with project_lock(str(session.engine.endpoint.address), project.name):
        snapshot = observe(session.engine, project, images=service_images(project, args.service))
        options = UpOptions(build=True if args.build else None, pull=args.pull or "")
        images = plan_images(project, [args.service], snapshot, options, 0.0)
        resources = plan_resources(project, [args.service], snapshot)
        waits = [] if args.no_deps else condition_waits(project, args.service, snapshot)
        models = plan_models(project, [args.service])
        plan = assemble(project.name, [*images.operations, *resources.operations, *models, *waits])
        renderer = choose_renderer(args.progress, args.ansi)
        world = World(session.engine, snapshot, renderer.handle, project, content_digests(project), settings)
        world.provided |= provided
        result = Convergence(plans=[plan], world=world, snapshot=snapshot)
        with renderer:
            if not args.dry_run:
                run_recorded(session, result, plan, world)
    return report_failures(session, result) or world


def condition_waits(project: Project, name: str, snapshot: Any) -> list[Any]:
    """What ``name`` still has to wait for, now that its dependencies are up."""
    from ...plan.graph import COMPLETED, HEALTHY, dependencies
    from ...plan.ops import Cause, WaitCompleted, WaitHealthy

    waits: list[Any] = []
    for other, dependency in dependencies(project.services[name]).items():
        cause = Cause(f"service {name} waits for it", mark=project.mark("services", name, "depends_on", other))
        for one in snapshot.of_service(other):
            if dependency.condition == HEALTHY and one.health != "healthy":
                waits.append(WaitHealthy(id=one.id, name=one.name, service=other, number=one.number, cause=cause))
            elif dependency.condition == COMPLETED and not (one.state == "exited" and one.exit_code == 0):
                waits.append(WaitCompleted(id=one.id, name=one.name, service=other, number=one.number, cause=cause))
    return waits
