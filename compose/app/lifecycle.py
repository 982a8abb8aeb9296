"""Starting and restarting what is there already: plans that need no model to be made."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ..errors import OperationError
from .chosen import chosen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..model import Project
    from ..plan.observe import ObservedContainer
    from ..plan.plan import Plan
    from .converge import Convergence
    from .session import Session


def start(
    session: Session, services: Sequence[str], *, wait: bool = False, wait_timeout: float | None = None
) -> Convergence:
    """Start existing containers, dependencies first. Raises `OperationError` when there is none to start."""
    from ..plan.reconcile.lifecycle import plan_start, with_dependencies

    everything = [one for one in chosen(session, ()) if not one.unfinished]
    containers = [one for one in chosen(session, services) if not one.unfinished]
    if not containers and not session.containers():
        raise OperationError(_nothing_to_start(session, services))
    if services:
        containers = with_dependencies(containers, everything)
    hooks: list[ObservedContainer] = []
    if any(one.pre_start and one.state == "created" for one in containers):
        from ..plan.observe import list_containers

        hooks = [one for one in list_containers(session.engine, session.name) if one.hook]
    plan = plan_start(session.name, containers, wait=wait, recorded=hooks)
    return carry_out(session, plan, wait_timeout=wait_timeout)


def _nothing_to_start(session: Session, services: Sequence[str]) -> str:
    names = services or sorted(session.declared or ())
    if names:
        return f'service "{names[0]}" has no container to start'
    return f'no container found for project "{session.name}": not found'


def restart(
    session: Session, services: Sequence[str], *, timeout: int | None = None, dependants: bool = True
) -> Convergence | None:
    """Stop and start containers, and with ``dependants`` those that ``restart: true`` ties to them; None without any."""
    from ..plan.reconcile.lifecycle import plan_restart

    everything = [one for one in chosen(session, ()) if not one.unfinished]
    containers = [one for one in chosen(session, services) if not one.unfinished]
    if not containers:
        return None
    return carry_out(session, plan_restart(session.name, everything, containers, timeout, dependants=dependants))


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
