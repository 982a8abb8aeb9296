"""`pycompose jobs logs`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....client import NotFound
from ....errors import OperationError
from ...flags.parser import integer
from ...jobs import full_name, show_output
from ...session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("-f", "--follow", action="store_true", help="Follow log output until the run ends")
    parser.add_argument("--run", type=integer, metavar="NUMBER", help="Show this run instead of the last one")
    parser.add_argument("job", metavar="JOB")


def run(args: Namespace) -> int:
    session = Session(args)
    runs = {one["Iteration"]: one for one in session.engine.jobs.runs(full_name(session, args.job))}
    wanted = max(runs, default=0) if args.run is None else args.run
    if wanted not in runs:
        raise OperationError(f"job {args.job} has no run {args.run}" if args.run else f"job {args.job} has not run yet")
    containers = runs[wanted]["Containers"]
    if not containers:
        raise OperationError(
            f"run {wanted} of {args.job} has no output: {runs[wanted]['Error'] or 'it has no container'}"
        )
    for container in containers:
        try:
            show_output(session.engine, container, follow=args.follow)
        except NotFound:
            raise OperationError(
                f"run {wanted} of {args.job}: its container has been removed, and its output with it"
            ) from None
    return 0
