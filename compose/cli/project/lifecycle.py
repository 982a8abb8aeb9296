"""Carrying out a plan that needs no model to be made: what `start` and `restart` share."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...model import Project
    from ...plan.plan import Plan
    from .session import Session


def carry_out(session: Session, plan: Plan, *, wait_timeout: float | None = None) -> int:
    """Run ``plan`` with progress; the exit code, after reporting failures."""
    from ...plan.observe import Snapshot, list_containers
    from ...run.execute import run_plan
    from ...run.lock import project_lock
    from ...run.perform import World
    from ..show.render import choose_renderer
    from .converge import Convergence, dry_run, report_failures

    renderer = choose_renderer(session.args.progress, session.args.ansi)
    with project_lock(str(session.engine.endpoint.address), session.name):
        snapshot = Snapshot(session.name, list_containers(session.engine, session.name))
        world = World(session.engine, snapshot, renderer.handle, load=partial(_model, session))
        result = Convergence(plans=[plan], world=world, snapshot=snapshot)
        with renderer:
            if session.args.dry_run:
                dry_run(plan, renderer.handle)
                return 0
            result.outcomes = run_plan(plan, world, wait_timeout=wait_timeout)
    return report_failures(session, result)


def _model(session: Session) -> Project | None:
    """The project, where its files are at hand and load: files kept in memory may have to be handed over again."""
    from ...errors import LoadError

    if not session.identity.files:
        return None
    try:
        project = session.project
    except LoadError:
        return None
    return project if project.name == session.name else None
