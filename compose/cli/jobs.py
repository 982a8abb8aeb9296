"""A job by hand: what `run JOB` and the verbs of `jobs` share."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..app.session import NoSuchService
from ..errors import UsageError
from ..labels import PROJECT, SERVICE

if TYPE_CHECKING:
    from argparse import Namespace

    from ..app.oneoff import OneOffOptions
    from ..client import Engine
    from ..client.bodies.jobs import Job, Run
    from ..model import Project
    from .session import Session

CANCELLED = 130


def registered(session: Session) -> dict[str, Job]:
    """The project's jobs that the engine has, by the name they have in the file."""
    found = session.engine.jobs.list({PROJECT: session.name})
    return {str(one["Labels"].get(SERVICE) or one["Name"]): one for one in found}


def full_name(session: Session, name: str) -> str:
    """A job as the engine knows it: by its name in the file, or written out. Raises `NoSuchService`."""
    known = registered(session)
    if name in known:
        return str(known[name]["Name"])
    if name in {one["Name"] for one in known.values()}:
        return name
    from ..load.suggest import nearest

    hint = nearest(name, known) or "`up` registers scheduled jobs, `run` the others"
    raise NoSuchService(f"the engine has no job {name} ({hint})")


def check_by_hand(project: Project, args: Namespace, name: str) -> None:
    """Raises `UsageError` for what a job does not let whoever starts it do."""
    if args.command:
        raise UsageError(f"{name} is a job: its command stands in the file")
    if (project.jobs[name].get("triggers") or {}).get("manual") is False:
        raise UsageError(f"job {name} cannot be started by hand: its triggers say `manual: false`")


def run_job(session: Session, args: Namespace, name: str, options: OneOffOptions) -> int:
    """Dependencies first, then one recorded run with its output; the exit code is the run's."""
    from ..app.converge import check_supported
    from ..app.oneoff import prepare_world
    from ..plan.reconcile.jobs import job_name
    from ..run.perform.jobs import register

    check_by_hand(session.project, args, name)
    before = session.project
    chain = _with_dependencies(session, name)
    session.project = before.with_jobs(*chain)
    check_supported(session.project, session)
    world = prepare_world(session, name, options)
    if args.dry_run:
        print(job_name(before, name))
        return 0
    register(world, name, job_name(before, name))
    run = session.engine.jobs.trigger(job_name(before, name))
    if args.detach:
        print(run["ID"])
        return 0
    if run["Containers"]:
        show_output(session.engine, str(run["Containers"][-1]), follow=True)
    return finish(session.engine.jobs.wait(job_name(before, name), int(run["Iteration"])))


def _with_dependencies(session: Session, name: str) -> list[str]:
    """The job, and the jobs that must have run before it."""
    jobs = session.project.jobs
    found, pending = [], [name]
    while pending:
        one = pending.pop()
        if one not in found:
            found.append(one)
            pending += [other for other in jobs[one].get("depends_on") or () if other in jobs]
    return found


def finish(run: Run) -> int:
    """Tell why a run has failed without a container's output to say so; the exit code for it."""
    if run["State"] == "cancelled":
        print("the run was cancelled", file=sys.stderr)
        return CANCELLED
    if run["Error"]:
        print(f"run {run['Iteration']} failed: {run['Error']}", file=sys.stderr)
    code = run["ExitCode"]
    return int(code) if code is not None else 1


def show_output(engine: Engine, container: str, *, follow: bool) -> None:
    """What a run's container wrote, each stream to its own."""
    from ..client.frames import demultiplex

    tty = bool((engine.containers.inspect(container).get("Config") or {}).get("Tty"))
    query = {"stdout": 1, "stderr": 1, "follow": 1 if follow else None}
    with engine.containers.log_stream(container, query) as response:
        if tty:
            for part in response.blocks():
                sys.stdout.buffer.write(part)
                sys.stdout.buffer.flush()
            return
        for stream, part in demultiplex(response.blocks()):
            out = sys.stderr if stream == 2 else sys.stdout
            out.buffer.write(part)
            out.buffer.flush()
