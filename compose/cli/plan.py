"""`pycompose plan`: what `up` would do, and why. Exit code 0: nothing, 2: changes."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

from .flags import FlagError, integer
from .session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from .flags import Parser

CHANGES = 2


def add_arguments(parser: Parser) -> None:
    from . import up
    from .flags import Parser as Flags

    of_up = Flags("pycompose up", "")
    up.add_arguments(of_up)
    words = {name: action.help for name, action in of_up.flags().items()}
    flag = parser.add_argument
    for name in ("always-recreate-deps", "build", "force-recreate", "no-build", "no-deps", "no-recreate", "no-start"):
        flag(f"--{name}", action="store_true", help=words[f"--{name}"])
    flag("--format", metavar="FORMAT", help="text (default) or json")
    flag("--pull", metavar="POLICY", help=words["--pull"])
    flag("--remove-orphans", action="store_true", help=words["--remove-orphans"])
    flag("-V", "--renew-anon-volumes", action="store_true", help=words["--renew-anon-volumes"])
    flag("--scale", action="append", default=[], metavar="SERVICE=NUM", help=words["--scale"])
    flag("-t", "--timeout", metavar="SECONDS", type=integer, help=words["--timeout"])
    flag("--wait", action="store_true", help=words["--wait"])
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
