"""`pycompose create`: everything `up` does, short of starting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import UsageError
from ..flags.pulling import pull_policy
from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag("--build", action="store_true", help="Build images before starting containers")
    flag(
        "--force-recreate",
        action="store_true",
        help="Recreate containers even if their configuration and image haven't changed",
    )
    flag("--no-build", action="store_true", help="Don't build an image, even if it's missing")
    flag("--no-recreate", action="store_true", help="If containers already exist, don't recreate them")
    flag("--pull", metavar="POLICY", help='Pull image before running ("always"|"missing"|"never"|"build")')
    flag("--quiet-pull", action="store_true", help="Pull without printing progress information")
    flag("--remove-orphans", action="store_true", help="Remove containers for services not defined in the Compose file")
    flag("--scale", action="append", default=[], metavar="SERVICE=NUM", help="Scale SERVICE to NUM instances")
    flag("-y", "--yes", action="store_true", help="Accepted for compatibility: nothing is asked")
    parser.add_argument("services", nargs="*", metavar="SERVICE")


def run(args: Namespace) -> int:
    from ...app.converge import converge
    from ...plan.reconcile.options import DIVERGED, FORCE, NEVER, UpOptions
    from ...run.perform import Settings
    from ..flags.scale import parse_scale
    from ..session import report_failures

    if args.build and args.no_build:
        raise UsageError("--build and --no-build are incompatible")
    if args.force_recreate and args.no_recreate:
        raise UsageError("--force-recreate and --no-recreate are incompatible")
    mode = FORCE if args.force_recreate else NEVER if args.no_recreate else DIVERGED
    options = UpOptions(
        services=tuple(args.services),
        recreate=mode,
        recreate_dependencies=NEVER if args.no_recreate else DIVERGED,
        remove_orphans=args.remove_orphans,
        scale=parse_scale(args.scale),
        start=False,
        build=True if args.build else False if args.no_build else None,
        pull=pull_policy(args.pull),
        all_resources=args.all_resources,
    )
    session = Session(args)
    result = converge(session, options, settings=Settings(quiet_pull=args.quiet_pull))
    return report_failures(session, result)
