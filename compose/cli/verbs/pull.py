"""`pycompose pull`: pull the services' images."""

from __future__ import annotations

from argparse import SUPPRESS
from typing import TYPE_CHECKING

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
    from ...app.pulling import PullOptions, pull

    if args.policy not in (None, "missing", "always"):
        raise FlagError(f'invalid --policy "{args.policy}": missing or always')
    session = Session(args)
    if args.quiet:
        args.progress = "quiet"
    options = PullOptions(
        services=tuple(args.services),
        policy=args.policy or "",
        include_deps=args.include_deps,
        ignore_buildable=args.ignore_buildable,
        ignore_failures=args.ignore_pull_failures,
        quiet=args.quiet,
    )
    result, to_build = pull(session, options)
    if to_build:
        legible.complain(
            "WARNING: Some service image(s) must be built from source by running:\n"
            f"    pycompose build {' '.join(to_build)}"
        )
    for _, error in result.failures:
        legible.complain(error)
    return max((error.exit_code for _, error in result.failures), default=0)
