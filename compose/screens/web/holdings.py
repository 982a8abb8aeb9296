"""What an engine keeps beside containers: jobs with their runs, snapshots, leases. Synchronous; called from worker threads.

Only our own engine has these; of another one the lists are empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...app.leasing import owner_words
from ...labels import PROJECT, SERVICE
from ..loglines import plain

if TYPE_CHECKING:
    from ...client import Engine
    from ...client.bodies.jobs import Job, Lease, Run
    from .details import Section

RUNS = 50
"""So many runs of a job are shown, the newest first."""


def of_project(engine: Engine, project: str) -> Section:
    """Jobs, snapshots and leases of one project."""
    if not engine.is_pycompose:
        return {"jobs": [], "snapshots": [], "leases": [], "own": False}
    return {
        "jobs": [_job(engine, one) for one in engine.jobs.list({PROJECT: project})],
        "snapshots": [
            {"name": one["Name"], "at": one["Created"] / 1e9, "volumes": one["Volumes"]}
            for one in sorted(engine.snapshots.list(project), key=lambda one: -one["Created"])
        ],
        "leases": [_lease(one) for one in engine.leases.list() if one["Labels"].get(PROJECT) == project],
        "own": True,
    }


def leases(engine: Engine) -> Section:
    """Every lease of the engine."""
    return {"leases": [_lease(one) for one in engine.leases.list()] if engine.is_pycompose else []}


def _job(engine: Engine, one: Job) -> Section:
    schedule = one.get("Schedule")
    return {
        "name": str(one["Labels"].get(SERVICE) or one["Name"]),
        "trigger": f"{schedule['Cron']} ({schedule.get('Timezone') or 'UTC'})" if schedule else "by hand",
        "state": one.get("State") or "",
        "paused": bool(one.get("Paused")),
        "next": one.get("NextFire") or "",
        "skipped": one.get("Skipped") or 0,
        "missed": one.get("Missed") or 0,
        "runs": [_run(each) for each in reversed(engine.jobs.runs(one["Name"])[-RUNS:])],
    }


def _run(one: Run) -> Section:
    return {
        "number": one.get("Iteration"),
        "state": one.get("State") or "",
        "code": one.get("ExitCode"),
        "trigger": one.get("Trigger") or "",
        "attempts": one.get("Attempt") or 0,
        "started": one.get("Started") or "",
        "finished": one.get("Finished") or "",
        "container": (one.get("Containers") or [""])[-1],
        "error": plain(str(one.get("Error") or "")),
    }


def _lease(one: Lease) -> Section:
    return {
        "id": one["Id"],
        "project": one["Labels"].get(PROJECT, ""),
        "owner": plain(owner_words(one)),
        "state": one["State"],
        "at": one["Created"] / 1e9,
        "reason": plain(one.get("Reason") or ""),
    }
