"""`pycompose jobs history`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...jobs import full_name
from ...session import Session
from ...show import format
from .ls import seconds

if TYPE_CHECKING:
    from argparse import Namespace

    from ....client.bodies.jobs import Run
    from ...flags.parser import Parser

COLUMNS = (
    ("RUN", "Iteration"),
    ("STATE", "State"),
    ("EXIT", "ExitCode"),
    ("TRIGGER", "Trigger"),
    ("ATTEMPTS", "Attempts"),
    ("STARTED", "Started"),
    ("FINISHED", "Finished"),
    ("CONTAINER", "Container"),
)


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--format", metavar="FORMAT", help="table, json, 'table TEMPLATE' or TEMPLATE")
    parser.add_argument("job", metavar="JOB")


def run(args: Namespace) -> int:
    session = Session(args)
    runs = session.engine.jobs.runs(full_name(session, args.job))
    if text := format.show(args.format, [row(one) for one in reversed(runs)], COLUMNS):
        print(text)
    return 0


def row(one: Run) -> dict[str, str]:
    return {
        "Iteration": str(one["Iteration"]),
        "State": one["State"],
        "ExitCode": "-" if one["ExitCode"] is None else str(one["ExitCode"]),
        "Trigger": one["Trigger"],
        "Attempts": str(one["Attempt"]),
        "Started": format.ago(seconds(one["Started"])) if one["Started"] else "-",
        "Finished": format.ago(seconds(one["Finished"])) if one["Finished"] else "-",
        "Container": one["Containers"][-1][:12] if one["Containers"] else "-",
        "Error": one["Error"],
    }
