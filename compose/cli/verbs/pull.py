"""`pycompose pull`: pull the services' images."""

from __future__ import annotations

import sys
from argparse import SUPPRESS
from typing import TYPE_CHECKING

from ...app.session import require_services
from ..flags.parser import FlagError
from ..session import Session
from ..show import legible

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag("--ignore-buildable", action="store_true", help="Ignore images that can be built")
    flag("--ignore-pull-failures", action="store_true", help="Pull what it can and ignores images with pull failures")
    flag("--include-deps", action="store_true", help="Also pull services declared as dependencies")
    flag("--policy", metavar="POLICY", help='Apply pull policy ("missing"|"always")')
    flag("-q", "--quiet", action="store_true", help="Pull without printing progress information")
    for name in ("--no-parallel", "--parallel"):
        flag(name, action="store_true", help=SUPPRESS)  # flags of Compose v1 that Docker Compose still takes
    parser.add_argument("services", nargs="*", metavar="SERVICE")


def run(args: Namespace) -> int:
    from ...labels import dependent_images, image_name
    from ...plan.graph import closure
    from ...plan.observe import Snapshot, observe_image
    from ...plan.ops import Cause, PullImage
    from ...plan.plan import assemble
    from ...run.events import DONE, Progress
    from ...run.execute import run_plan
    from ...run.perform import Settings, World
    from ..show.render import choose_renderer

    if args.policy not in (None, "missing", "always"):
        raise FlagError(f'invalid --policy "{args.policy}": missing or always')
    session = Session(args)
    if args.quiet:
        args.progress = "quiet"
    project = session.project
    require_services(args.services, list(project.services))
    names = list(args.services) or list(project.services)
    if args.include_deps:
        names = closure(project.services, names)
    operations: dict[str, PullImage] = {}
    buildable_refs: dict[str, str] = {}
    skipped: dict[str, str] = {}
    for name in names:
        service = project.services[name]
        if not service.get("image") or service.get("provider"):
            continue
        ref = image_name(project, name)
        buildable = bool(service.get("build"))
        if ref in operations:
            continue
        if buildable and args.ignore_buildable:
            skipped[name] = "Image can be built"
        elif service.get("pull_policy") in ("never", "build"):
            skipped[name] = f"pull_policy is {service['pull_policy']}"
        elif args.policy == "missing" and observe_image(session.engine, ref) is not None:
            skipped[name] = "Image is already present locally"
        if name in skipped:
            continue
        if buildable:
            buildable_refs[ref] = name
        operations[ref] = PullImage(
            ref=ref,
            service=name,
            platform=str(service.get("platform") or ""),
            optional=args.ignore_pull_failures,
            cause=Cause("a pull was asked for"),
        )
    for name in names:
        service = project.services[name]
        if service.get("provider") or service.get("pull_policy") == "never":
            continue
        for ref in dependent_images(project, name):
            if ref in operations or any(image_name(project, other) == ref for other in project.services):
                continue
            if args.policy != "missing" or observe_image(session.engine, ref) is None:
                cause = Cause("a pull was asked for")
                operations[ref] = PullImage(ref=ref, service=ref, optional=args.ignore_pull_failures, cause=cause)
    plan = assemble(project.name, list(operations.values()))
    renderer = choose_renderer(args.progress, args.ansi, "Pulling")
    world = World(
        session.engine, Snapshot(project.name), renderer.handle, project, settings=Settings(quiet_pull=args.quiet)
    )
    with renderer:
        for name, why in skipped.items():
            renderer.handle(Progress(name, "Skipped", DONE, detail=f"- {why}"))
        if args.dry_run:
            from ...app.dryrun import dry_run

            dry_run(plan, renderer.handle)
            return 0
        outcomes = run_plan(plan, world)
    if to_build := [name for ref, name in buildable_refs.items() if ref not in world.pulled]:
        print(
            f"WARNING: Some service image(s) must be built from source by running:\n"
            f"    pycompose build {' '.join(to_build)}",
            file=sys.stderr,
        )
    failures = [one.error for one in outcomes.values() if one.error is not None]
    for error in failures:
        legible.complain(error)
    return max((error.exit_code for error in failures), default=0)
