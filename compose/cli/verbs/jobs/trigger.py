"""`pycompose jobs trigger`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...jobs import finish, full_name, show_output
from ...session import Session
from ...show import foretold

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("-d", "--detach", action="store_true", help="Print the run's number and do not wait for it")
    parser.add_argument("job", metavar="JOB")


def run(args: Namespace) -> int:
    session = Session(args)
    name = full_name(session, args.job)
    if args.dry_run:
        return foretold.tell([(f"Job {name}", "Starting")])
    begun = session.engine.jobs.trigger(name)
    if args.detach:
        print(begun["Iteration"])
        return 0
    if begun["Containers"]:
        show_output(session.engine, str(begun["Containers"][-1]), follow=True)
    return finish(session.engine.jobs.wait(name, int(begun["Iteration"])))
