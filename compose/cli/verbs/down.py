"""`pycompose down`: stop and remove what the project has, from what the engine recorded; the file is a bonus."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from ...app.session import refuse_foreign, require_services
from ..flags.parser import FlagError, integer
from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ...model import Project
    from ...plan.observe import Snapshot
    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "--remove-orphans", action="store_true", help="Remove containers for services not defined in the Compose file"
    )
    parser.add_argument("--rmi", metavar="local|all", help='Remove images used by services ("local"|"all")')
    parser.add_argument(
        "-t", "--timeout", type=integer, metavar="SECONDS", help="Specify a shutdown timeout in seconds"
    )
    parser.add_argument("-v", "--volumes", action="store_true", help="Remove named and anonymous volumes as well")
    parser.add_argument("--volume", action="store_true", dest="volumes", help=argparse.SUPPRESS)
    parser.add_argument("--fast", action="store_true", help="Kill instead of stopping")
    parser.add_argument("services", nargs="*", metavar="SERVICE")


def run(args: Namespace) -> int:
    from ...plan.observe import list_built
    from ...plan.reconcile.down import reconcile_down
    from ...plan.reconcile.options import DownOptions
    from ...run.execute import run_plan
    from ...run.lock import project_lock
    from ...run.perform import World
    from ..show.render import choose_renderer

    if args.rmi not in (None, "local", "all"):
        raise FlagError(f'invalid value for --rmi: "{args.rmi}"')
    session = Session(args)
    options = DownOptions(
        services=tuple(args.services),
        volumes=args.volumes,
        remove_orphans=args.remove_orphans,
        images=args.rmi or "",
        timeout=0 if args.fast else args.timeout,
    )
    with project_lock(str(session.engine.endpoint.address), session.name):
        snapshot = _observe(session)
        project = _model(session, snapshot, options.images != "")
        if project is not None:
            require_services(args.services, [*project.services, *project.disabled_services])
        built = list_built(session.engine, session.name) if options.images else ()
        plan = reconcile_down(snapshot, options, project, built)
        for warning in plan.warnings:
            print(f"warning: {warning}", file=sys.stderr)
        if options.volumes and project is not None:
            _tell_of_strangers(session, project, snapshot)
        if plan.empty:
            print(f'Warning: No resource found to remove for project "{session.name}".', file=sys.stderr)
            return 0
        renderer = choose_renderer(args.progress, args.ansi)
        world = World(session.engine, snapshot, renderer.handle, project)
        with renderer:
            if args.dry_run:
                from ...app.dryrun import dry_run

                dry_run(plan, renderer.handle)
                return 0
            outcomes = run_plan(plan, world)
    failures = [(key, one.error) for key, one in outcomes.items() if one.error is not None]
    for key, error in failures:
        print(f"{key}: {error}", file=sys.stderr)
    return max((error.exit_code for _, error in failures), default=0)


def _tell_of_strangers(session: Session, project: Project, snapshot: Snapshot) -> None:
    """Volumes of the file that were not made for the project (`volume create`, another project): they stay, and that is
    said."""
    from ...labels import volume_name

    own = {volume_name(project, key) for key, tree in project.volumes.items() if not (tree or {}).get("external")}
    wanted = sorted(own - set(snapshot.volumes))
    found = session.engine.volumes.list({"name": wanted}) if wanted else []
    for name in sorted({str(one["Name"]) for one in found} & set(wanted)):
        print(
            f"warning: volume {name} was not made for this project and stays; pycompose volume rm {name} removes it",
            file=sys.stderr,
        )


def _observe(session: Session) -> Snapshot:
    from ...plan.observe import observe_recorded

    snapshot = observe_recorded(session.engine, session.name)
    identity = session.identity
    if not identity.explicit and identity.directory is not None:
        from ...labels import WORKING_DIR

        refuse_foreign(
            session.name, identity.directory, [{WORKING_DIR: one.working_dir} for one in snapshot.containers]
        )
    return snapshot


def _model(session: Session, snapshot: Snapshot, needed: bool) -> Project | None:
    """The model, if there is one and it loads: it knows orphans, hooks and providers. A broken file stops no `down`."""
    from ...errors import LoadError

    if not session.identity.files:
        return None
    try:
        project = session.project
    except LoadError as error:
        if needed and not snapshot.containers:
            raise
        print(
            f"warning: going by what the engine has recorded, because the model does not load: {error}", file=sys.stderr
        )
        return None
    return project if project.name == session.name else None
