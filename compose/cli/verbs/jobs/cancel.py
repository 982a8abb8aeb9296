"""`pycompose jobs cancel`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...jobs import full_name
from ...session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("jobs", nargs="+", metavar="JOB")


def run(args: Namespace) -> int:
    session = Session(args)
    for name in [full_name(session, one) for one in args.jobs]:
        if not args.dry_run:
            session.engine.jobs.act(name, "cancel")
        print(name)
    return 0
