"""`pycompose deploy`: put the project on a cluster, wait until it works, and say what keeps it from working."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ...deploy.target import KUBERNETES
from ...errors import PlanError
from ..flags.parser import FlagError
from ..session import Session
from ..show import legible

if TYPE_CHECKING:
    from argparse import Namespace

    from ...deploy.backend import Backend
    from ...deploy.plan import Options
    from ...deploy.target import Target
    from ...model import Project
    from ...run.events import Emit
    from ..flags.parser import Parser

WAIT_TIMEOUT = 300


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag("--allow-binds", action="store_true", help="Every node has the paths that bind mounts name")
    flag("-d", "--detach", action="store_true", help="Return when everything has been applied, without waiting for it")
    flag("--emit", metavar="DIR", help="Write the manifests or the stack file into DIR, and deploy nothing")
    flag("--force-conflicts", action="store_true", help="Kubernetes: take fields over that other managers own")
    flag("--no-build", action="store_true", help="Push the images that are there, and build none")
    flag("--no-prune", action="store_true", help="Leave what the project no longer has")
    flag(
        "--node",
        action="append",
        default=[],
        metavar="NAME=HOST",
        help="Swarm: the engine of a node, where it has to be asked itself",
    )
    flag("--registry", metavar="HOST", help="Registry (and path) that built images are pushed to")
    flag(
        "--serve",
        metavar="ADDRESS",
        help="For labs: nodes pull built images from this machine's engine, at HOST:PORT, by plain HTTP and without a login",
    )
    flag("--to", metavar="TARGET", help="swarm, kubernetes (each also KIND:CONTEXT), or a name in x-deploy")
    flag("--wait", action="store_true", help="Wait until every service is ready (the default)")
    flag(
        "--wait-timeout",
        type=int,
        default=WAIT_TIMEOUT,
        metavar="SECONDS",
        help=f"How long each service may take (default {WAIT_TIMEOUT})",
    )
    parser.add_argument("target", nargs="?", metavar="CONTEXT", default=None)


def run(args: Namespace) -> int:
    from ...deploy.conformance import check_supported
    from ...deploy.jobs import with_scheduled
    from ...deploy.plan import Options
    from .cluster.opening import ask_users, open_backend, target_of

    if args.wait and args.detach:
        raise FlagError("--wait and --detach cannot be used together")
    if args.serve and args.registry:
        raise FlagError("--serve and --registry cannot be used together")
    session = Session(args)
    project = session.project
    target = target_of(session, args.to or args.target or "", (args.target or "") if args.to else "")
    target = _with_flags(target, args)
    if target.kind == KUBERNETES:
        project = with_scheduled(project)
    if not project.services:
        raise PlanError("no service selected")
    backend = open_backend(session, target)
    if target.kind == KUBERNETES:
        ask_users(session, project, backend, is_built=False)
    for diagnostic in check_supported(project, target.kind, backend):
        legible.complain(f"warning: {diagnostic}")
    if args.emit is not None:
        return _emit(session, project, target, backend)
    return _deploy(session, project, target, backend, Options(wait=not args.detach, prune=not args.no_prune))


def _with_flags(target: Target, args: Namespace) -> Target:
    from dataclasses import replace

    return replace(
        target,
        registry=args.registry or target.registry,
        allow_binds=args.allow_binds or target.allow_binds,
        force=args.force_conflicts,
    )


def _emit(session: Session, project: Project, target: Target, backend: Backend) -> int:
    from ...deploy.emit import directory_writer
    from ...deploy.images import by_tag

    write = directory_writer(session.args.emit)
    backend.emit(project, by_tag(project, target.registry), write)
    return 0


def _images(session: Session, project: Project, target: Target, backend: Backend, emit: Emit) -> dict[str, str]:
    """Built, pushed, looked up: the reference of each service's image. With --dry-run nothing is built or pushed."""
    from ...deploy.images import as_deployed, check_registry, look_up, moved, offer, publish
    from ...run.events import WARNING, Progress

    args = session.args
    known: dict[str, str] = {}
    if any(tree.get("build") for tree in project.services.values()):
        registry, inside = target.registry, target.registry
        if args.serve:
            registry = inside = args.serve
        elif not registry:
            registry, inside = backend.local_registry()
        check_registry(project, registry)
        if args.dry_run:
            known = as_deployed(project, inside, backend.images())
        elif args.serve:
            known = offer(session.engine, project, args.serve, {}, emit, build=not args.no_build)
            words = "nodes pull from it: without it no task can be moved, or started again elsewhere"
            emit(Progress(f"Engine at {args.serve}", "Serving", WARNING, detail=words))
        else:
            pushed = publish(session.engine, project, registry, {}, emit, build=not args.no_build)
            known = moved(pushed, registry, inside)
    return look_up(project, known, target.registry, backend.lookup, emit)


def _deploy(session: Session, project: Project, target: Target, backend: Backend, options: Options) -> int:
    from ...deploy.report import failure_report
    from ...deploy.run import FAILED, Outcome, run_plan
    from ...run.lock import project_lock
    from ..show.render import choose_renderer
    from .cluster.opening import ask_images

    args = session.args
    outcomes: dict[str, Outcome] = {}
    renderer = choose_renderer(args.progress, args.ansi, "Deploying")
    with project_lock(backend.address, project.name), renderer:
        images = _images(session, project, target, backend, renderer.handle)
        if target.kind == KUBERNETES:
            ask_images(session, project, backend, is_built=not args.dry_run)
        plan = backend.plan(project, images, options)
        if not args.dry_run and not plan.empty:
            outcomes = run_plan(plan, backend.hands(project), renderer.handle, float(args.wait_timeout))
    if args.dry_run or plan.empty:
        print(plan.text(), end="")
        return 0
    if not any(one.state == FAILED for one in outcomes.values()):
        return 0
    print(failure_report(plan, outcomes), file=sys.stderr)
    return 1
