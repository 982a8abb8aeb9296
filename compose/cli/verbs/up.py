"""`pycompose up`: bring the project to what the model says, then follow its output or leave it in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...app.session import is_set
from ...errors import UsageError
from ..flags.parser import integer, is_true
from ..flags.pulling import pull_policy
from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Container

    from ...plan.reconcile.options import UpOptions
    from ...run.perform import Settings
    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag("--abort-on-container-exit", action="store_true", help="Stop all containers if any container was stopped")
    flag(
        "--abort-on-container-failure",
        action="store_true",
        help="Stop all containers if any container exited with failure",
    )
    flag("--always-recreate-deps", action="store_true", help="Recreate dependent containers")
    flag(
        "--attach", action="append", default=[], metavar="SERVICE", help="Restrict attaching to the specified services"
    )
    flag("--attach-dependencies", action="store_true", help="Automatically attach to log output of dependent services")
    flag("--build", action="store_true", help="Build images before starting containers")
    flag("-d", "--detach", action="store_true", help="Detached mode: Run containers in the background")
    flag("--exit-code-from", metavar="SERVICE", help="Return the exit code of the selected service container")
    flag(
        "--force-recreate",
        action="store_true",
        help="Recreate containers even if their configuration and image haven't changed",
    )
    flag(
        "--no-attach",
        action="append",
        default=[],
        metavar="SERVICE",
        help="Do not attach (stream logs) to the specified services",
    )
    flag("--no-build", action="store_true", help="Don't build an image, even if it's missing")
    flag("--no-color", action="store_true", help="Produce monochrome output")
    flag("--no-deps", action="store_true", help="Don't start linked services")
    flag("--no-log-prefix", action="store_true", help="Don't print prefix in logs")
    flag("--no-recreate", action="store_true", help="If containers already exist, don't recreate them")
    flag("--no-start", action="store_true", help="Don't start the services after creating them")
    flag("--pull", metavar="POLICY", help='Pull image before running ("always"|"missing"|"never")')
    flag("--quiet-build", action="store_true", help="Suppress the build output")
    flag("--quiet-pull", action="store_true", help="Pull without printing progress information")
    flag("--remove-orphans", action="store_true", help="Remove containers for services not defined in the Compose file")
    flag(
        "-V", "--renew-anon-volumes", action="store_true", help="Recreate anonymous volumes instead of retrieving data"
    )
    flag("--scale", action="append", default=[], metavar="SERVICE=NUM", help="Scale SERVICE to NUM instances")
    flag("-t", "--timeout", type=integer, metavar="SECONDS", help="Use this timeout in seconds for container shutdown")
    flag("--timestamps", action="store_true", help="Show timestamps")
    flag(
        "--timings",
        nargs="?",
        const="",
        metavar="FILE",
        help="Print the critical path and write a Chrome trace to FILE (--timings=FILE, or a FILE.json after a space)",
    )
    flag("--wait", action="store_true", help="Wait for services to be running|healthy. Implies detached mode.")
    flag(
        "--wait-timeout",
        type=integer,
        metavar="SECONDS",
        help="Maximum duration to wait for the project to be running|healthy",
    )
    flag(
        "-w",
        "--watch",
        action="store_true",
        help="Watch source code and rebuild/refresh containers when files are updated",
    )
    flag(
        "--ephemeral", action="store_true", help="Drop fixed names, so that copies under other project names can exist"
    )
    flag("--from", dest="snapshot", metavar="SNAPSHOT", help="Start with the volumes of a snapshot")
    flag("--lease", metavar="OWNER", help="Remove the stack when its owner exits (pid:N, fd:N or ttl:10m)")
    flag("--ports", metavar="MODE", help='Host ports: "fixed" as declared, "auto" picked and kept (or PYCOMPOSE_PORTS)')
    flag(
        "--menu",
        nargs="?",
        const=True,
        type=is_true,
        metavar="true|false",
        help="Enable interactive shortcuts (v: view, w: watch, d: detach) when running attached (or COMPOSE_MENU)",
    )
    flag("-y", "--yes", action="store_true", help="Accepted for compatibility: nothing is asked")
    parser.add_argument("services", nargs="*", metavar="SERVICE")


def check(args: Namespace) -> None:
    """Raise `UsageError` for flags that contradict each other."""
    abort = args.abort_on_container_exit or args.abort_on_container_failure or bool(args.exit_code_from)
    if args.exit_code_from or args.abort_on_container_failure:
        args.abort_on_container_exit = args.abort_on_container_exit or bool(args.exit_code_from)
    if args.wait:
        if abort or args.attach or args.attach_dependencies:
            raise UsageError(
                "--wait cannot be combined with --abort-on-container-exit, --attach or --attach-dependencies"
            )
        args.detach = True
    if args.detach and (abort or args.attach or args.attach_dependencies):
        raise UsageError(
            "--detach cannot be combined with --abort-on-container-exit, --attach or --attach-dependencies"
        )
    if args.detach and args.watch:
        raise UsageError("--detach cannot be combined with --watch")
    if args.build and args.no_build:
        raise UsageError("--build and --no-build are incompatible")
    if args.force_recreate and args.no_recreate:
        raise UsageError("--force-recreate and --no-recreate are incompatible")
    if args.always_recreate_deps and args.no_recreate:
        raise UsageError("--always-recreate-deps and --no-recreate are incompatible")
    pull_policy(args.pull)


def up_options(args: Namespace) -> UpOptions:
    """The reconciliation options that the flags say."""
    import os

    from ...plan.reconcile.options import DIVERGED, FORCE, NEVER, UpOptions
    from ..flags.scale import parse_scale

    recreate = FORCE if args.force_recreate else NEVER if args.no_recreate else DIVERGED
    build: bool | None = True if args.build else False if args.no_build else None
    return UpOptions(
        services=tuple(args.services),
        with_dependencies=not args.no_deps,
        recreate=recreate,
        recreate_dependencies=FORCE if args.always_recreate_deps else NEVER if args.no_recreate else DIVERGED,
        remove_orphans=args.remove_orphans or is_set(os.environ.get("COMPOSE_REMOVE_ORPHANS")),
        ignore_orphans=is_set(os.environ.get("COMPOSE_IGNORE_ORPHANS")),
        scale=parse_scale(args.scale),
        start=not args.no_start,
        wait=args.wait,
        renew_volumes=args.renew_anon_volumes,
        timeout=args.timeout,
        build=build,
        pull=pull_policy(args.pull),
        all_resources=args.all_resources,
    )


def settings(args: Namespace) -> Settings:
    from ...run.perform import Settings

    return Settings(quiet_pull=args.quiet_pull, quiet_build=args.quiet_build)


def _take_timings_file(args: Namespace, known: Container[str]) -> None:
    """The value of ``--timings`` is optional, and so has to follow an equals sign; a file of JSON is none of the services."""
    first = next(iter(args.services), "")
    if args.timings == "" and first.endswith(".json") and first not in known:
        args.timings = first
        del args.services[0]


def run(args: Namespace) -> int:
    from ...app.converge import converge
    from ..session import report_failures

    check(args)
    session = Session(args, is_ephemeral=args.ephemeral)
    if args.timings == "" and args.services:
        _take_timings_file(args, session.project.services)
    options = up_options(args)
    if args.lease and not args.dry_run:
        from ...app.leasing import take_lease

        images: list[str] = []
        if args.ephemeral:
            from ...plan.ephemeral import built_images

            images = built_images(session.project)
        take_lease(session, args.lease, images)
    if args.snapshot and not args.dry_run:
        from ...app.snapshots import restore_into

        restore_into(session, session.name, args.snapshot)
    if args.detach or args.no_start or args.dry_run:
        result = converge(session, options, settings=settings(args), wait_timeout=args.wait_timeout)
        if args.timings is not None:
            from ..show.timings import show_timings

            show_timings(result, args.timings)
        return report_failures(session, result)
    from ..streams.attached import run_attached

    return run_attached(session, options, args, settings(args))
