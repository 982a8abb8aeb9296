"""`pycompose jobs resume`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...jobs import full_name
from ...session import Session
from ...show import foretold

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("jobs", nargs="+", metavar="JOB")


def run(args: Namespace) -> int:
    session = Session(args)
    names = [full_name(session, one) for one in args.jobs]
    if args.dry_run:
        return foretold.tell((f"Job {name}", "Resuming") for name in names)
    for name in names:
        session.engine.jobs.act(name, "resume")
        print(name)
    return 0
