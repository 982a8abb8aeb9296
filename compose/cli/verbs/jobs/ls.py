"""`pycompose jobs ls`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ...jobs import registered
from ...session import Session
from ...show import format

if TYPE_CHECKING:
    from argparse import Namespace

    from ....client.bodies.jobs import Job
    from ...flags.parser import Parser

COLUMNS = (
    ("NAME", "Name"),
    ("TRIGGER", "Trigger"),
    ("STATE", "State"),
    ("PAUSED", "Paused"),
    ("LAST RUN", "LastRun"),
    ("EXIT", "ExitCode"),
    ("NEXT FIRE", "NextFire"),
)


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--format", metavar="FORMAT", help="table, json, 'table TEMPLATE' or TEMPLATE")
    parser.add_argument("-q", "--quiet", action="store_true", help="Only display names")


def run(args: Namespace) -> int:
    session = Session(args)
    found = {name: job for name, job in registered(session).items()}
    if args.quiet:
        for name in found:
            print(name)
        return 0
    if text := format.show(args.format, [row(name, job) for name, job in found.items()], COLUMNS):
        print(text)
    return 0


def row(name: str, job: Job) -> dict[str, str]:
    last, schedule = job["LastRun"], job["Schedule"]
    zone = "" if not schedule or schedule["Timezone"] == "UTC" else f" {schedule['Timezone']}"
    return {
        "Name": name,
        "Trigger": f"{schedule['Cron']}{zone}" if schedule else "manual",
        "State": job["State"],
        "Paused": "true" if job["Paused"] else "false",
        "LastRun": f"{last['State']} ({format.ago(seconds(last['Finished'] or last['Created']))})" if last else "-",
        "ExitCode": "-" if not last or last["ExitCode"] is None else str(last["ExitCode"]),
        "NextFire": job["NextFire"] or "-",
        "Skipped": str(job["Skipped"]),
        "Missed": str(job["Missed"]),
    }


def seconds(moment: str) -> float:
    """RFC 3339 as seconds since the epoch."""
    return datetime.fromisoformat(moment[:19] + "+00:00").timestamp()
