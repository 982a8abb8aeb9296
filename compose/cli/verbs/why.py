"""`pycompose why`: why a service is as it is, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...app.session import require_services
from ..flags.parser import FlagError
from ..session import Session
from ..show import legible

if TYPE_CHECKING:
    from argparse import Namespace

    from ...plan.plan import Plan
    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--format", default="text", metavar="FORMAT", help="Format the output. Values: [text | json]")
    parser.add_argument("services", nargs="*", metavar="SERVICE")


def run(args: Namespace) -> int:
    import json

    from ...app.converge import prepare
    from ...app.why import explain
    from ...errors import PlanError
    from ...plan.reconcile.options import UpOptions
    from ...plan.reconcile.up import reconcile_up

    if args.format not in ("text", "json"):
        raise FlagError(f"invalid format {args.format!r}: one of text, json")
    session = Session(args)
    project = session.project
    require_services(args.services, list(project.services))
    options = UpOptions(ignore_orphans=True, pull="never")
    project, snapshot, contents = prepare(session, options)
    plan: Plan | str
    try:
        plan = reconcile_up(project, snapshot, options, contents, now=0.0)
    except PlanError as error:
        plan = str(error)
    for name in args.services or project.services:
        for found in explain(session, project, snapshot, plan, name):
            print(json.dumps(found.tree()) if args.format == "json" else legible.lines(found.text()))
    return 0
