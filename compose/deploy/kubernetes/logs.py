"""Output of a project's pods, of all nodes."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ...errors import OperationError
from ..backend import LogOptions
from ..moments import position
from ..state import FAILED, READY
from .client import NOT_FOUND, KubernetesError
from .names import PROJECT, SERVICE
from .verdicts import exit_codes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..backend import LogLine
    from .bodies.pods import Pod
    from .client import Kube, LogWishes
    from .watch import Watch

PAUSE = 1.0
"""Seconds between two tries to open a stream again."""

OVERLAP = 5
"""Seconds before the last line from which a stream is opened again; what has been shown is not shown twice."""

PATIENCE = 60.0
"""Seconds in which the API server may be away while output is followed."""

REFUSED = (401, 403)
BAD_REQUEST = 400


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

    def is_new(pod: Pod) -> bool:
        service = pod["metadata"].get("labels", {}).get(SERVICE, "")
        identity = pod["metadata"]["uid"]
        if (services and service not in services) or identity in known or pod["status"].get("phase") == "Pending":
            return False
        known.add(identity)
        return True

    labels = {PROJECT: project}
    troubles: list[str] = []
    for pod in kube.pods(namespace, labels):
        if is_new(pod):
            troubles += _begin(kube, pod, options, line)
    if troubles:
        raise OperationError("\n".join(troubles))
    while options.follow:
        for pod in _news(kube, namespace, labels):
            if is_new(pod):
                _begin(kube, pod, replace(options, since=None, tail=None), line)


def _begin(kube: Kube, pod: Pod, options: LogOptions, line: LogLine) -> list[str]:
    """Read, or begin to follow. Why a pod cannot be read, such as one whose node is away, keeps nobody from the others."""
    troubles = []
    for container in pod["spec"]["containers"]:
        reader = Reader(kube, pod, container["name"], options, line)
        if options.follow:
            threading.Thread(target=reader.follow, daemon=True).start()
            continue
        try:
            reader.read()
        except KubernetesError as error:
            if error.code not in (BAD_REQUEST, NOT_FOUND):  # it has not begun, or has gone meanwhile
                troubles.append(str(error))
    return troubles


def _news(kube: Kube, namespace: str, labels: Mapping[str, str]) -> Iterator[Pod]:
    """Pods that are there, and those that come, until the server ends the watch. Raises `KubernetesError` when it is away for long."""
    away_since = 0.0
    while True:
        try:
            for _, pod in kube.watch_pods(namespace, labels):
                yield pod
            return
        except KubernetesError as error:
            away_since = away_since or time.monotonic()
            if error.code in REFUSED or time.monotonic() - away_since > PATIENCE:
                raise
        time.sleep(PAUSE)


class Reader:
    """The output of one container. Times are always asked for: they say where to go on when a stream breaks off."""

    def __init__(self, kube: Kube, pod: Pod, container: str, options: LogOptions, line: LogLine) -> None:
        self._kube = kube
        self._name = pod["metadata"]["name"]
        self._namespace = pod["metadata"].get("namespace", "")
        self._shown = f"{self._name}@{pod['spec'].get('nodeName') or ''}"
        self._wishes: LogWishes = {**_wishes(options), "container": container, "timestamps": True}
        self._timestamps = options.timestamps
        self._line = line
        self._last = self._before = ""
        self._heard = time.time()

    def read(self) -> None:
        for text in self._kube.log(self._name, self._namespace, self._wishes):
            moment, _, words = text.partition(" ")
            place = position(moment)
            if place > self._before:
                self._last, self._heard = place, time.time()
                self._line(self._shown, text if self._timestamps else words)

    def follow(self) -> None:
        """Until the pod is gone. A node that goes away breaks the stream off: it is opened again where it was."""
        self._wishes["follow"] = True
        while True:
            try:
                self.read()
            except KubernetesError as error:
                if error.code == NOT_FOUND:
                    return
            try:
                current = self._kube.pod(self._name, self._namespace)
                if current is None or current["status"].get("phase") in ("Succeeded", "Failed"):
                    return
            except KubernetesError as error:
                if error.code in REFUSED:
                    return
            time.sleep(PAUSE)
            self._before = self._last
            self._wishes.pop("tail_lines", None)
            if self._last:
                self._wishes["since"] = int(time.time() - self._heard) + OVERLAP


def _wishes(options: LogOptions) -> LogWishes:
    found: LogWishes = {}
    if options.since is not None:
        found["since"] = max(int(time.time() - float(options.since)), 1)
    if options.tail and options.tail.isdecimal():
        found["tail_lines"] = int(options.tail)
    return found


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
                for container in pod["spec"]["containers"]:
                    Reader(kube, pod, container["name"], LogOptions(follow=True), line).follow()
        if verdict.state == READY:
            return 0
        if verdict.state == FAILED:
            codes = [one for pod in kube.pods(namespace, labels) for one in exit_codes(pod)]
            if not codes:
                raise OperationError("\n".join([verdict.word, *(one.reason for one in verdict.troubles)]))
            return codes[-1]
        watch.wait(PAUSE)
