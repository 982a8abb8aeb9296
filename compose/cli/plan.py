"""`pycompose plan`: what `up` would do, and why. Exit code 0: nothing, 2: changes."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

from .flags import FlagError
from .session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from .flags import Parser

CHANGES = 2


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag("--always-recreate-deps", action="store_true", help="As for up")
    flag("--build", action="store_true", help="As for up")
    flag("--force-recreate", action="store_true", help="As for up")
    flag("--format", metavar="FORMAT", help="text (default) or json")
    flag("--no-build", action="store_true", help="As for up")
    flag("--no-deps", action="store_true", help="As for up")
    flag("--no-recreate", action="store_true", help="As for up")
    flag("--no-start", action="store_true", help="As for up")
    flag("--pull", metavar="POLICY", help="As for up")
    flag("--remove-orphans", action="store_true", help="As for up")
    flag("-V", "--renew-anon-volumes", action="store_true", help="As for up")
    flag("--scale", action="append", default=[], metavar="SERVICE=NUM", help="As for up")
    flag("-t", "--timeout", metavar="SECONDS", type=int, help="As for up")
    flag("--wait", action="store_true", help="As for up")
    parser.add_argument("services", nargs="*", metavar="SERVICE")


def run(args: Namespace) -> int:
    from ..plan import assemble
    from ..reconcile.up import needs_image_stage, reconcile_up
    from .converge import prepare
    from .up import up_options

    if args.format not in (None, "text", "json"):
        raise FlagError(f"invalid format {args.format!r}: text or json")
    session = Session(args)
    options = up_options(args)
    project, snapshot, contents = prepare(session, options)
    now = time.time()
    stage = needs_image_stage(project, snapshot, options, now)
    plan = reconcile_up(project, snapshot, options, contents, now=now)
    if stage is not None:
        plan = assemble(plan.project, plan.operations, plan.unchanged, (*plan.warnings, *stage.warnings))
    if args.format == "json":
        print(json.dumps(plan.tree(), indent=2))
    else:
        print(plan.text(), end="")
        for warning in plan.warnings:
            print(f"warning: {warning}", file=sys.stderr)
    return 0 if plan.empty else CHANGES
