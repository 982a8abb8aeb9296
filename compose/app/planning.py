"""What `up` would do, and why, without doing it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..plan.plan import Plan
    from ..plan.reconcile.options import UpOptions
    from .session import Session


def plan_up(session: Session, options: UpOptions) -> Plan:
    """The operations of an `up` with these options, in order, each with its cause. Raises `LoadError`, `UsageError`, `PlanError`."""
    from ..plan.plan import assemble
    from ..plan.reconcile.up import needs_image_stage, reconcile_up
    from .converge import prepare

    project, snapshot, contents = prepare(session, options)
    now = time.time()
    stage = needs_image_stage(project, snapshot, options, now)
    plan = reconcile_up(project, snapshot, options, contents, now=now)
    if stage is None:
        return plan
    return assemble(plan.project, plan.operations, plan.unchanged, (*plan.warnings, *stage.warnings))
