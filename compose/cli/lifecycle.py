"""Carrying out a plan that needs no model: what `start` and `restart` share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..plan import Plan
    from .session import Session


def carry_out(session: Session, plan: Plan, *, wait_timeout: float | None = None) -> int:
    """Run ``plan`` with progress; the exit code, after reporting failures."""
    from ..execute import run_plan
    from ..lock import project_lock
    from ..observe import Snapshot, list_containers
    from ..perform import World
    from .converge import Convergence, dry_run, report_failures
    from .render import choose_renderer

    renderer = choose_renderer(session.args.progress, session.args.ansi)
    with project_lock(str(session.engine.endpoint.address), session.name):
        snapshot = Snapshot(session.name, list_containers(session.engine, session.name))
        world = World(session.engine, snapshot, renderer.handle)
        result = Convergence(plans=[plan], world=world, snapshot=snapshot)
        with renderer:
            if session.args.dry_run:
                dry_run(plan, renderer.handle)
                return 0
            result.outcomes = run_plan(plan, world, wait_timeout=wait_timeout)
    return report_failures(session, result)
