"""Carrying out a plan that needs no model to be made: what starting and restarting share."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..model import Project
    from ..plan.plan import Plan
    from .converge import Convergence
    from .session import Session


def carry_out(session: Session, plan: Plan, *, wait_timeout: float | None = None) -> Convergence:
    """Run ``plan`` with progress. Returns with failures recorded, not raised."""
    from ..plan.observe import Snapshot, list_containers
    from ..run.execute import run_plan
    from ..run.lock import project_lock
    from ..run.perform import World
    from .converge import Convergence
    from .dryrun import dry_run

    display = session.listener.progress()
    with project_lock(str(session.engine.endpoint.address), session.name):
        snapshot = Snapshot(session.name, list_containers(session.engine, session.name))
        world = World(session.engine, snapshot, display.handle, load=partial(_model, session))
        result = Convergence(plans=[plan], world=world, snapshot=snapshot)
        with display:
            if session.choices.dry_run:
                dry_run(plan, display.handle)
                return result
            result.outcomes = run_plan(plan, world, wait_timeout=wait_timeout)
    return result


def _model(session: Session) -> Project | None:
    """The project, where its files are at hand and load: files kept in memory may have to be handed over again."""
    from ..errors import LoadError

    if not session.identity.files:
        return None
    try:
        project = session.project
    except LoadError:
        return None
    return project if project.name == session.name else None
