"""Removing what a project has, by what the engine recorded; the model is a bonus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .session import refuse_foreign, require_services

if TYPE_CHECKING:
    from ..model import Project
    from ..plan.observe import Snapshot
    from ..plan.reconcile.options import DownOptions
    from .converge import Convergence
    from .session import Session


def take_down(session: Session, options: DownOptions) -> Convergence:
    """Stop and remove. Returns with failures recorded, not raised."""
    from dataclasses import replace

    from ..plan.observe import list_built
    from ..plan.reconcile.down import reconcile_down
    from ..run.execute import run_plan
    from ..run.lock import project_lock
    from ..run.perform import World
    from .converge import Convergence
    from .dryrun import dry_run

    listener = session.listener
    options = replace(options, by_name=bool(session.choices.project_name) and not session.choices.files)
    with project_lock(str(session.engine.endpoint.address), session.name):
        snapshot = _observe(session)
        project = _model(session, snapshot, needed=options.images != "")
        if project is not None:
            require_services(options.services, [*project.services, *project.disabled_services])
        built = list_built(session.engine, session.name) if options.images else ()
        plan = reconcile_down(snapshot, options, project, built)
        for warning in plan.warnings:
            listener.warn(str(warning))
        if options.volumes and project is not None:
            _tell_of_others(session, project, snapshot)
        result = Convergence(plans=[plan], snapshot=snapshot)
        if plan.empty:
            listener.note(f'Warning: No resource found to remove for project "{session.name}".')
            return result
        display = listener.progress()
        result.world = World(session.engine, snapshot, display.handle, project)
        with display:
            if session.choices.dry_run:
                dry_run(plan, display.handle)
            else:
                result.outcomes = run_plan(plan, result.world)
    return result


def _tell_of_others(session: Session, project: Project, snapshot: Snapshot) -> None:
    """Volumes of the file that were not made for the project (`volume create`, another project): they stay, and that is
    said."""
    from ..labels import volume_name

    own = {volume_name(project, key) for key, tree in project.volumes.items() if not (tree or {}).get("external")}
    wanted = sorted(own - set(snapshot.volumes))
    found = session.engine.volumes.list({"name": wanted}) if wanted else []
    for name in sorted({str(one["Name"]) for one in found} & set(wanted)):
        session.listener.warn(
            f"volume {name} was not made for this project and stays; pycompose volume rm {name} removes it"
        )


def _observe(session: Session) -> Snapshot:
    from ..plan.observe import observe_recorded

    snapshot = observe_recorded(session.engine, session.name)
    identity = session.identity
    if not identity.explicit and identity.directory is not None:
        from ..labels import WORKING_DIR

        refuse_foreign(
            session.name, identity.directory, [{WORKING_DIR: one.working_dir} for one in snapshot.containers]
        )
    return snapshot


def _model(session: Session, snapshot: Snapshot, *, needed: bool) -> Project | None:
    """The model, if there is one and it loads: it knows orphans, hooks and providers. A broken file stops no removal."""
    from ..errors import LoadError

    if not session.identity.files:
        return None
    try:
        project = session.project
    except LoadError as error:
        if needed and not snapshot.containers:
            raise
        session.listener.warn(f"going by what the engine has recorded, because the model does not load: {error}")
        return None
    return project if project.name == session.name else None
