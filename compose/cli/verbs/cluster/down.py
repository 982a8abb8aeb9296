"""`pycompose down --to`: remove what the project made on a cluster."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ....deploy.report import failure_report
from ....deploy.run import FAILED, run_plan
from ....errors import UsageError
from ....run.lock import project_lock
from ...show.render import choose_renderer
from .opening import for_verb

if TYPE_CHECKING:
    from argparse import Namespace

TIMEOUT = 120.0


def run(args: Namespace) -> int:
    if args.services or args.rmi:
        raise UsageError("on a cluster down removes the whole project, and no images")
    session, backend = for_verb(args)
    with project_lock(backend.address, session.name):
        plan = backend.plan_removal(volumes=args.volumes)
        if args.dry_run:
            print(plan.text(), end="")
            return 0
        if plan.empty:
            print(f'Warning: No resource found to remove for project "{session.name}".', file=sys.stderr)
            return 0
        with (renderer := choose_renderer(args.progress, args.ansi)):
            hands = backend.hands(None)
            outcomes = run_plan(plan, hands, renderer.handle, TIMEOUT)
            hands.settle()
    if not any(one.state == FAILED for one in outcomes.values()):
        return 0
    print(failure_report(plan, outcomes), file=sys.stderr)
    return 1
