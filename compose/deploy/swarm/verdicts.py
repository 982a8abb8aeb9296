"""How far a service of a swarm is, from the service, its tasks and the nodes as the API gives them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..objects import COMPLETED
from ..state import FAILED, READY, WAITING, Trouble, Verdict
from .hints import hint
from .times import epoch, seconds_since

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...client.bodies import swarm as bodies

SETTLED = 2.0
"""Seconds a task without a health check must have run: it has no other way to say that it is well."""

FAILURES = 3
"""Tasks that may fail in a row before a service counts as failed; of tasks whose image cannot be had, two."""

UNPLACED = 15.0
"""Seconds a task may find no node before the service counts as failed: another task may be about to leave one."""

_BAD = frozenset({"failed", "rejected", "orphaned"})
_OVER = frozenset({"complete", *_BAD, "shutdown", "remove"})


def judge(
    service: bodies.Service,
    tasks: Sequence[bodies.Task],
    nodes: Mapping[str, bodies.Node],
    now: float,
    *,
    is_changed: bool = True,
) -> Verdict:
    """``tasks`` are this service's. ``now`` is in seconds since the epoch. ``is_changed`` says that this run has updated it: then a
    version that is back is a failure, and otherwise it is the version that is wanted."""
    spec = service["Spec"]
    if "ReplicatedJob" in spec["Mode"] or "GlobalJob" in spec["Mode"]:
        return _job(service, tasks, nodes)
    status = str((service.get("UpdateStatus") or {}).get("State") or "")
    if status == "rollback_completed" and not is_changed:
        status = ""
    wanted = _wanted(spec["Mode"], tasks)
    current = [task for task in tasks if is_current(service, task)]
    up = [task for task in current if _is_up(task, nodes)]
    words = f"{len(up)}/{wanted}"
    troubles = troubles_of(current, nodes)
    if status in ("rollback_completed", "rollback_started", "rollback_paused", "paused"):
        return _stopped(service, status, tasks, nodes, bool(up))
    if _ends_by_itself(spec, current, wanted):
        return Verdict(READY, "completed", running=True)
    if status != "updating" and len(up) >= wanted:
        youngest = min((seconds_since(task["Status"]["Timestamp"], now) for task in up), default=SETTLED)
        if _has_health(spec) or youngest >= SETTLED:
            return Verdict(READY, words, running=True)
        return Verdict(WAITING, words, running=True)
    reason = _hopeless(spec, current, now) if status != "updating" else ""
    return Verdict(FAILED if reason else WAITING, reason or words, troubles, bool(up))


def is_current(service: bodies.Service, task: bodies.Task) -> bool:
    """Whether a task was made by the service as it is now."""
    wanted, actual = service["Spec"]["TaskTemplate"], task.get("Spec") or {}
    same = all(wanted.get(key) == actual.get(key) for key in ("ContainerSpec", "Resources", "LogDriver"))
    return same and int(wanted.get("ForceUpdate") or 0) == int(actual.get("ForceUpdate") or 0)


def _wanted(mode: bodies.Mode, tasks: Sequence[bodies.Task]) -> int:
    if "Replicated" in mode:
        return int((mode["Replicated"] or {}).get("Replicas") or 0)
    return len({task.get("NodeID") for task in tasks if task.get("DesiredState") == "running"}) or 1


def _is_up(task: bodies.Task, nodes: Mapping[str, bodies.Node]) -> bool:
    node = nodes.get(str(task.get("NodeID") or ""))
    return bool(
        task.get("DesiredState") == "running"
        and task["Status"]["State"] == "running"
        and node is not None
        and node["Status"]["State"] == "ready"
    )


def _has_health(spec: bodies.ServiceSpec) -> bool:
    test = (spec["TaskTemplate"]["ContainerSpec"].get("Healthcheck") or {}).get("Test") or []
    return bool(test) and test[0] != "NONE"


def _ends_by_itself(spec: bodies.ServiceSpec, tasks: Sequence[bodies.Task], wanted: int) -> bool:
    """A service that is not restarted after success has done its work when its tasks have ended well."""
    condition = (spec["TaskTemplate"].get("RestartPolicy") or {}).get("Condition")
    done = [task for task in tasks if task["Status"]["State"] == "complete"]
    return condition in ("none", "on-failure") and len(done) >= wanted > 0


def _hopeless(spec: bodies.ServiceSpec, tasks: Sequence[bodies.Task], now: float) -> str:
    """Why a service will not come up by itself, or nothing."""
    failed = [task for task in tasks if task["Status"]["State"] in _BAD]
    rejected = [task for task in failed if task["Status"]["State"] == "rejected"]
    policy = spec["TaskTemplate"].get("RestartPolicy") or {}
    if len(rejected) >= 2:
        return "its tasks are rejected"
    attempts = int(policy.get("MaxAttempts") or 0)
    if failed and (policy.get("Condition") == "none" or (attempts and len(failed) > attempts)):
        return "its task failed and is not restarted"
    if len(failed) >= FAILURES:
        return f"{len(failed)} tasks failed in a row"
    unplaced = [task for task in tasks if task["Status"]["State"] == "pending" and task["Status"].get("Err")]
    if any(seconds_since(task["CreatedAt"], now) > UNPLACED for task in unplaced):
        return "no node takes its tasks"
    return ""


def _stopped(
    service: bodies.Service, status: str, tasks: Sequence[bodies.Task], nodes: Mapping[str, bodies.Node], running: bool
) -> Verdict:
    words = {
        "paused": "its update failed and was stopped",
        "rollback_started": "its update failed; the version before is coming back",
        "rollback_paused": "its update failed, and so did going back to the version before",
        "rollback_completed": "its update failed and was rolled back",
    }
    state = WAITING if status == "rollback_started" else FAILED
    update = service.get("UpdateStatus") or {}
    message = str(update.get("Message") or "")
    began = epoch(str(update.get("StartedAt") or ""))
    # Tasks of updates before this one are still listed, as many as the swarm keeps.
    own = [task for task in tasks if epoch(task["CreatedAt"]) >= began]
    found = troubles_of([task for task in own if task["Status"]["State"] in _BAD], nodes)
    if not found and message:
        found = (Trouble(message),)
    return Verdict(state, words[status], found, running)


def _job(service: bodies.Service, tasks: Sequence[bodies.Task], nodes: Mapping[str, bodies.Node]) -> Verdict:
    iteration = int(((service.get("JobStatus") or {}).get("JobIteration") or {}).get("Index") or 0)
    current = [task for task in tasks if int((task.get("JobIteration") or {}).get("Index") or 0) == iteration]
    done = [task for task in current if task["Status"]["State"] == "complete"]
    failed = [task for task in current if task["Status"]["State"] in _BAD]
    mode = service["Spec"]["Mode"]
    if "ReplicatedJob" in mode:
        total = int((mode["ReplicatedJob"] or {}).get("TotalCompletions") or 1)
    else:
        total = len({task.get("NodeID") for task in current}) or 1
    if len(done) >= total:
        return Verdict(READY, "completed", running=True)
    policy = service["Spec"]["TaskTemplate"].get("RestartPolicy") or {}
    attempts = int(policy.get("MaxAttempts") or 0)
    over = policy.get("Condition") == "none" or (attempts and len(failed) > attempts) or len(failed) > FAILURES
    if failed and over:
        code = (failed[-1]["Status"].get("ContainerStatus") or {}).get("ExitCode")
        words = f"the job ended with exit code {code}" if code else "the job failed"
        return Verdict(FAILED, words, troubles_of(failed, nodes))
    return Verdict(WAITING, f"{len(done)}/{total} {COMPLETED}", troubles_of(current, nodes), bool(current))


def troubles_of(tasks: Sequence[bodies.Task], nodes: Mapping[str, bodies.Node]) -> tuple[Trouble, ...]:
    """One for each way in which tasks fail, the newest task of each."""
    found: dict[str, Trouble] = {}
    for task in sorted(tasks, key=lambda one: str(one["Status"]["Timestamp"]), reverse=True):
        status = task["Status"]
        reason = str(status.get("Err") or "")
        if not reason or status["State"] not in (*_BAD, "pending", "preparing", "starting"):
            continue
        node = nodes.get(str(task.get("NodeID") or ""))
        where = str(node["Description"]["Hostname"]) if node else ""
        found.setdefault(reason, Trouble(reason, task_name(task), where, hint(reason), str(task["ID"])))
    return tuple(found.values())


def task_name(task: bodies.Task) -> str:
    """``slot.id``, as much of a task's name as tells it from the others of its service."""
    return f"{task.get('Slot') or str(task.get('NodeID'))[:12]}.{str(task['ID'])[:12]}"
