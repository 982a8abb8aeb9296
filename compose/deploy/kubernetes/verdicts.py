"""How far a workload is, from it and its pods as the API gives them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..state import FAILED, READY, WAITING, Trouble, Verdict
from .hints import hint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .bodies.pods import ContainerStatus, Pod
    from .bodies.workloads import Workload, WorkloadStatus

CRASHES = 3
"""Restarts after which a container that does not stay up counts as failed."""

UNPLACED = 20.0
"""Seconds a pod may find no node before its service counts as failed: another may be about to leave one."""

_NO_IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
_NO_START = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})


SCHEDULED = Verdict(READY, "scheduled", running=True)
"""A CronJob is what it shall be when it is there; its runs are not waited for."""


def judge(workload: Workload, pods: Sequence[Pod], now: float) -> Verdict:
    """``pods`` are this workload's, old ones too. ``now`` is in seconds since the epoch."""
    kind = workload["kind"]
    if kind == "CronJob":
        return SCHEDULED
    if kind == "Job":
        return _job(workload, pods, now)
    status = workload.get("status") or {}
    is_daemon = kind == "DaemonSet"
    wanted, updated, ready, total = _counts(workload, is_daemon)
    words = f"{min(updated, ready)}/{wanted}"
    is_seen = status.get("observedGeneration", 0) >= workload["metadata"].get("generation", 0)
    if is_seen and updated == wanted == ready == total and (wanted or not is_daemon):
        return Verdict(READY, words, running=True)
    current = newest(pods)
    troubles = tuple(one for pod in current for one in troubles_of(pod, now))
    running = any(pod["status"].get("phase") == "Running" for pod in current)
    if is_seen and (reason := _hopeless(status, current, now)):
        return Verdict(FAILED, reason, troubles, running)
    return Verdict(WAITING, words, troubles, running)


def _counts(workload: Workload, is_daemon: bool) -> tuple[int, int, int, int]:
    """Pods that are wanted, that have the newest template, that are ready, and that there are."""
    status = workload.get("status") or {}
    if is_daemon:
        updated = status.get("updatedNumberScheduled", 0)
        return status.get("desiredNumberScheduled", 0), updated, status.get("numberAvailable", 0), updated
    return (
        workload["spec"].get("replicas", 1),
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        status.get("replicas", 0),
    )


def newest(pods: Sequence[Pod]) -> list[Pod]:
    """The pods of the newest template: an old version that still serves says nothing about the new one."""
    hashes: dict[str, str] = {}
    for pod in pods:
        labels = pod["metadata"].get("labels") or {}
        key = str(labels.get("pod-template-hash") or labels.get("pod-template-generation") or "")
        hashes[key] = max(hashes.get(key, ""), str(pod["metadata"]["creationTimestamp"]))
    if not hashes:
        return []
    latest = max(hashes, key=lambda key: hashes[key])
    return [
        pod
        for pod in pods
        if latest
        in (
            str((pod["metadata"].get("labels") or {}).get("pod-template-hash") or ""),
            str((pod["metadata"].get("labels") or {}).get("pod-template-generation") or ""),
        )
        and not pod["metadata"].get("deletionTimestamp")
    ]


def _hopeless(status: WorkloadStatus, pods: Sequence[Pod], now: float) -> str:
    """Why a workload will not come up by itself, or nothing."""
    for condition in status.get("conditions") or ():
        if condition.get("type") == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            return "it made no progress in time"
    for pod in pods:
        for container in _statuses(pod):
            waiting = (container.get("state") or {}).get("waiting") or {}
            reason = str(waiting.get("reason") or "")
            if reason in ("ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"):
                return "its image cannot be pulled"
            if reason in _NO_START:
                return "a container cannot be started"
            if reason == "CrashLoopBackOff" and int(container.get("restartCount") or 0) >= CRASHES:
                return "a container ends again and again"
        if _unplaced(pod, now):
            return "no node takes its pods"
    return ""


def _job(workload: Workload, pods: Sequence[Pod], now: float) -> Verdict:
    status = workload.get("status") or {}
    wanted = int(workload["spec"].get("completions") or 1)
    done = int(status.get("succeeded") or 0)
    conditions = {str(one.get("type")): one for one in status.get("conditions") or () if one.get("status") == "True"}
    if "Complete" in conditions:
        return Verdict(READY, "completed", running=True)
    own = [pod for pod in pods if (pod["metadata"].get("labels") or {}).get("job-name") == workload["metadata"]["name"]]
    troubles = tuple(one for pod in own for one in troubles_of(pod, now))
    if "Failed" in conditions:
        codes = [one for pod in own for one in exit_codes(pod)]
        words = f"the job ended with exit code {codes[-1]}" if codes else "the job failed"
        return Verdict(FAILED, words, troubles or (Trouble(str(conditions["Failed"].get("message") or "")),))
    if reason := _hopeless({}, own, now):
        return Verdict(FAILED, reason, troubles)
    return Verdict(WAITING, f"{done}/{wanted} completed", troubles, bool(status.get("active")))


def exit_codes(pod: Pod) -> Iterator[int]:
    """Of containers that have ended with another code than 0."""
    for one in _statuses(pod):
        ended = (one.get("state") or {}).get("terminated") or {}
        if ended.get("exitCode"):
            yield int(ended["exitCode"])


def _statuses(pod: Pod) -> Iterator[ContainerStatus]:
    yield from pod["status"].get("initContainerStatuses") or ()
    yield from pod["status"].get("containerStatuses") or ()


def troubles_of(pod: Pod, now: float) -> Iterator[Trouble]:
    """What keeps a pod from being ready."""
    name = str(pod["metadata"]["name"])
    node = str(pod["spec"].get("nodeName") or "")
    if reason := _unplaced(pod, now):
        yield Trouble(reason, name, "", hint(reason))
    for container in _statuses(pod):
        source = f"{name}/{container['name']}"
        state = container.get("state") or {}
        waiting = state.get("waiting") or {}
        ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated") or {}
        reason = str(waiting.get("reason") or "")
        if reason in _NO_IMAGE or reason in _NO_START:
            words = f"{reason}: {waiting.get('message') or ''}".rstrip(": ")
            yield Trouble(words, name, node, hint(words))
        elif ended.get("exitCode"):
            words = f"ended with exit code {ended['exitCode']}"
            if ended.get("reason") not in (None, "", "Error"):
                words += f" ({ended['reason']})"
            yield Trouble(words, name, node, hint(words), source)
        elif "running" in state and not container.get("ready"):
            words = "runs, and is not ready"
            yield Trouble(words, name, node, hint(words), source)


def _unplaced(pod: Pod, now: float) -> str:
    """Why the scheduler finds no node, once it has had time."""
    from datetime import datetime

    for condition in pod["status"].get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            since = datetime.fromisoformat(str(pod["metadata"]["creationTimestamp"]).replace("Z", "+00:00")).timestamp()
            if now - since > UNPLACED:
                return str(condition.get("message") or "no node takes it")
    return ""
