"""`pycompose build`: build the services' images, each after those whose images it builds upon."""

from __future__ import annotations

from argparse import SUPPRESS
from typing import TYPE_CHECKING

from ..flags.building import build_arguments, byte_size
from ..session import Session
from ..show import legible

if TYPE_CHECKING:
    from argparse import Namespace

    from ...build.trees import BuildFlags
    from ...model import Project
    from ..flags.parser import Parser


_PROGRESS = ("auto", "plain", "tty", "json", "rawjson", "quiet")


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag("--build-arg", action="append", default=[], metavar="KEY=VALUE", help="Set build-time variables for services")
    flag("--builder", metavar="NAME", help="Accepted for compatibility: there is one builder")
    flag("--check", action="store_true", help="Lint Dockerfiles; don't build")
    flag("-m", "--memory", metavar="BYTES", help="Set memory limit for the build container")
    flag("--no-cache", action="store_true", help="Do not use cache when building the image")
    flag("--print", action="store_true", help="Print what would be built as JSON")
    flag("--progress", dest="build_progress", choices=_PROGRESS, help="Type of progress output, as before the verb")
    flag("--provenance", metavar="MODE", help="Attest where the image came from (true, mode=min, mode=max)")
    flag("--sbom", metavar="MODE", help="Attest which packages the image has (SPDX)")
    flag("--pull", action="store_true", help="Always attempt to pull a newer version of the image")
    flag("--push", action="store_true", help="Push service images")
    flag("-q", "--quiet", action="store_true", help="Don't print the build output")
    flag(
        "--ssh",
        action="append",
        default=[],
        metavar="ID",
        help="Set SSH authentications used when building service images",
    )
    flag("--with-dependencies", action="store_true", help="Also build dependencies (transitively)")
    for name in ("--compress", "--force-rm", "--no-rm", "--parallel"):
        flag(name, action="store_true", help=SUPPRESS)  # flags of Compose v1 that Docker Compose still takes
    parser.add_argument("services", nargs="*", metavar="SERVICE")


def overrides(args: Namespace) -> BuildFlags:
    """Build settings that the flags say."""
    return {
        "no_cache": args.no_cache,
        "pull": args.pull,
        "args": build_arguments(args.build_arg),
        "memory": byte_size(args.memory, "--memory") if args.memory else None,
        "ssh": list(args.ssh),
        "provenance": args.provenance,
        "sbom": args.sbom,
        "every_platform": True,
    }


def run(args: Namespace) -> int:
    from ...app.building import build, buildable
    from ...labels import image_name

    session = Session(args)
    project = session.project
    if args.print or args.check or args.push:
        names = buildable(session, args.services, dependencies=args.with_dependencies)
    if args.print and names:
        import json

        from ...model.values import written

        tree = {name: {**project.services[name]["build"], "tags": [image_name(project, name)]} for name in names}
        print(json.dumps({"target": written(tree)}, indent=2, default=str))
        return 0
    if args.check and names and not args.dry_run:
        return _check(session, project, names, overrides(args))
    if args.quiet:
        args.progress = "quiet"
    elif args.build_progress and not args.dry_run:
        args.progress = {"rawjson": "json"}.get(args.build_progress, args.build_progress)
    result = build(session, args.services, overrides(args), dependencies=args.with_dependencies, quiet=args.quiet)
    for _, error in result.failures:
        legible.complain(error)
    if result.failures:
        return max(error.exit_code for _, error in result.failures)
    if args.push and not args.dry_run:
        from .push import push_images

        return push_images(
            session,
            {name: image_name(project, name) for name in names if project.services[name].get("image")},
            quiet=args.quiet,
        )
    return 0


def _check(session: Session, project: Project, names: list[str], settings: BuildFlags) -> int:
    from ...build import check_service
    from ..show.building.checks import report

    worst = 0
    for name in names:
        text, code = report(check_service(session.engine, project, name, settings), name)
        print(text, end="")
        worst = max(worst, code)
    return worst
