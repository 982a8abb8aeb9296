"""What can be done with what is under the cursor, beyond the keys, and what the engine keeps of a project, as text. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from ..loglines import plain

if TYPE_CHECKING:
    from ..store.holdings import Build, Job, Run
    from ..store.state import State


class Choice(NamedTuple):
    """``asks`` are questions for what is missing: the value, or the place that a value goes to."""

    label: str
    action: str
    value: str = ""
    asks: tuple[str, ...] = ()


_NAME = "Name of the snapshot:"


def choices(state: State, project: str, service: str) -> list[Choice]:
    """The service's own first, then the project's jobs, snapshots and leases, the engine's last."""
    found = [Choice(f"start {service or project}", "start")] if project else []
    if service:
        found.append(Choice(f"scale {service} …", "scale", asks=("Number of containers:",)))
        found.append(Choice(f"run {service}: its command once, in a container of its own", "run"))
    for job in state.jobs:
        if job.project == project:
            found += _of_job(job)
    if state.facts.own:
        found.append(Choice("snapshot save …", "snapshot save", asks=(_NAME,)))
    for one in state.snapshots:
        if one.project == project:
            found.append(Choice(f"snapshot restore {one.name}", "snapshot restore", one.name))
            push = ("Name at the registry, such as registry.example/team/name:tag:",)
            found.append(Choice(f"snapshot push {one.name} …", "snapshot push", one.name, push))
            found.append(Choice(f"snapshot rm {one.name}", "snapshot rm", one.name))
    for lease in state.leases:
        if lease.project == project:
            about = f"{lease.id[:8]} of {lease.owner}"
            found.append(Choice(f"lease release {about}", "lease release", lease.id))
            found.append(Choice(f"lease end {about}", "lease end", lease.id))
    found.append(Choice("prune: remove what nothing uses, of the whole engine", "prune"))
    return found


def _of_job(job: Job) -> list[Choice]:
    verbs = ["job trigger", "job resume" if job.paused else "job pause"]
    verbs += [] if job.state == "idle" else ["job cancel"]
    verbs += ["job logs"] if job.runs else []
    return [Choice(f"{verb} {job.name}", verb, job.name) for verb in verbs]


def kept(state: State, project: str) -> list[str]:
    """Jobs with their last runs, snapshots, leases and builds of a project."""
    out: list[str] = []
    for job in (one for one in state.jobs if one.project == project):
        due = "paused" if job.paused else f"next {_clock(job.next)}" if job.next else "by hand"
        out.append(f"job {job.name}  {job.trigger}  {job.state}, {due}")
        out += [f"    {_run(run)}" for run in job.runs[:5]] or ["    it has not run yet"]
    for snapshot in (one for one in state.snapshots if one.project == project):
        out.append(f"snapshot {snapshot.name}  {_clock(snapshot.at)}  {', '.join(snapshot.volumes)}")
    for lease in (one for one in state.leases if one.project == project):
        until = f" until {_clock(lease.until)}" if lease.until else ""
        out.append(f"lease {lease.id[:8]}  {lease.owner}{until}  {lease.state} {lease.reason}".rstrip())
    for build in (one for one in state.builds if one.project == project):
        out += _build(build)
    return out or ["The engine keeps no jobs, snapshots, leases or builds of this project."]


def _run(run: Run) -> str:
    code = f", exit code {run.code}" if run.code else ""
    took = f", {run.finished - run.started:.1f} s" if run.started and run.finished else ""
    error = f": {run.error}" if run.error else ""
    return f"{'✗' if run.state == 'failed' else '✓' if run.state == 'succeeded' else '◌'} run {run.number} {run.state}{code}{took}{error}"


def _build(build: Build) -> list[str]:
    mark = {"done": "✓", "cached": "✓", "failed": "✗"}
    done = sum(step.state in ("done", "cached") for step in build.steps)
    out = [
        f"build {build.name or build.id[:8]}  {build.state}, {done} of {max(build.total, len(build.steps))} steps, "
        f"{_clock(build.began)}"
    ]
    if build.state == "done":
        return out
    out += [f"    {mark.get(step.state, '◌')} {step.stage} {plain(step.text)}".rstrip() for step in build.steps]
    last = next((step.output for step in reversed(build.steps) if step.output), "")
    return [*out, *(f"        {line}" for line in (build.error or last).splitlines()[-8:])]


def _clock(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M:%S}"
