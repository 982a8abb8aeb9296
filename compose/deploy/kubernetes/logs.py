"""Output of a project's pods, of all nodes."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from ...errors import OperationError
from ..state import FAILED, READY
from .client import Kube, KubernetesError
from .names import PROJECT, SERVICE
from .verdicts import exit_codes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..backend import LogLine, LogOptions
    from .bodies.pods import Pod
    from .client import Kube, LogWishes
    from .watch import Watch

PAUSE = 1.0
"""Seconds between two tries to open a stream again, and between two looks for new pods."""


def last_lines(kube: Kube, namespace: str, source: str, count: int) -> list[str]:
    """The end of the output of ``pod/container``, of its run before where this one has said nothing."""
    pod, _, container = source.partition("/")
    try:
        return list(kube.log(pod, namespace, {"container": container, "tail_lines": count}))
    except KubernetesError:
        return []


def print_logs(
    kube: Kube,
    project: str,
    namespace: str,
    services: Sequence[str],
    options: LogOptions,
    line: LogLine,
) -> None:
    """The output of each pod, one after the other; with ``follow`` at once, and of pods that come later, until interrupted."""
    known: set[str] = set()
    is_first = True
    while True:
        for pod in kube.pods(namespace, {PROJECT: project}):
            service = pod["metadata"].get("labels", {}).get(SERVICE, "")
            identity = pod["metadata"]["uid"]
            if (services and service not in services) or identity in known or pod["status"].get("phase") == "Pending":
                continue
            known.add(identity)
            wishes = _wishes(options, is_first)
            if options.follow:
                thread = threading.Thread(target=_follow, args=(kube, namespace, pod, wishes, line), daemon=True)
                thread.start()
            else:
                _print(kube, namespace, pod, wishes, line)
        if not options.follow:
            return
        is_first = False
        time.sleep(PAUSE)


def _wishes(options: LogOptions, is_first: bool) -> LogWishes:
    found: LogWishes = {"timestamps": options.timestamps}
    if options.since is not None:
        found["since"] = max(int(time.time() - float(options.since)), 1)
    if options.tail and options.tail.isdigit() and is_first:
        found["tail_lines"] = int(options.tail)
    return found


def _print(kube: Kube, namespace: str, pod: Pod, wishes: LogWishes, line: LogLine) -> None:
    name = pod["metadata"]["name"]
    shown = f"{name}@{pod['spec'].get('nodeName') or ''}"
    for container in pod["spec"]["containers"]:
        for text in kube.log(name, namespace, {**wishes, "container": container["name"]}):
            line(shown, text)


def _follow(kube: Kube, namespace: str, pod: Pod, wishes: LogWishes, line: LogLine) -> None:
    """Until the pod is gone. A node that goes away breaks the stream off: it is opened again where it was."""
    wishes = {**wishes, "follow": True}
    while True:
        began = time.time()
        try:
            _print(kube, namespace, pod, wishes, line)
        except KubernetesError as error:
            if error.code in (400, 404):
                return
        current = kube.pod(pod["metadata"]["name"], namespace)
        if current is None or current["status"].get("phase") in ("Succeeded", "Failed"):
            return
        time.sleep(PAUSE)
        wishes = {"timestamps": wishes.get("timestamps", False), "follow": True}
        wishes["since"] = max(int(time.time() - began), 1)


def follow_job(kube: Kube, watch: Watch, namespace: str, labels: Mapping[str, str], line: LogLine) -> int:
    """Print what a job's pod says until it has ended; its exit code. Raises `OperationError` for one that cannot begin."""
    (job,) = kube.list("Job", namespace, labels)
    name = job["metadata"]["name"]
    seen: set[str] = set()
    while True:
        verdict = watch.verdict("Job", name)
        for pod in kube.pods(namespace, labels):
            if pod["status"].get("phase") != "Pending" and pod["metadata"]["uid"] not in seen:
                seen.add(pod["metadata"]["uid"])
                _print(kube, namespace, pod, {"follow": True}, line)
        if verdict.state == READY:
            return 0
        if verdict.state == FAILED:
            codes = [one for pod in kube.pods(namespace, labels) for one in exit_codes(pod)]
            if not codes:
                raise OperationError("\n".join([verdict.word, *(one.reason for one in verdict.troubles)]))
            return codes[-1]
        watch.wait(PAUSE)
