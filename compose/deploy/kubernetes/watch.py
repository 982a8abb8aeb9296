"""Following a project's workloads and pods: one watch a kind in a thread each, and one place that is told of every change."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, cast

from ..state import WAITING, Verdict
from .client import KubernetesError
from .names import PROJECT, SERVICE
from .verdicts import SCHEDULED, judge

if TYPE_CHECKING:
    from .bodies.meta import Object
    from .bodies.pods import Pod
    from .bodies.workloads import Workload
    from .client import Kube

KINDS = ("Deployment", "DaemonSet", "Job", "Pod")
PATIENCE = 20.0
"""Seconds in which the API server may be away before the run is given up."""

PAUSE = 1.0
BURST = 0.2
"""Seconds of news that are looked at together."""

LOOK_AGAIN = 5.0
"""Seconds after which verdicts are looked at without news: some of them change by time alone."""


class Watch:
    def __init__(self, kube: Kube, project: str, namespace: str) -> None:
        self._kube = kube
        self._project = project
        self._namespace = namespace
        self._lock = threading.Condition()
        self._objects: dict[str, dict[str, Object]] = {kind: {} for kind in KINDS}
        self._changed = False
        self._index: dict[str, list[Pod]] | None = None
        self._looked = 0.0
        self._started = False
        self._lost: KubernetesError | None = None

    def start(self) -> None:
        """Begin to listen; what is there already is known when this returns."""
        if self._started:
            return
        self._started = True
        for kind in KINDS:
            self._fill(kind)
            threading.Thread(target=self._follow, args=(kind,), daemon=True).start()

    def verdict(self, kind: str, name: str) -> Verdict:
        self.start()
        if kind == "CronJob":
            return SCHEDULED
        with self._lock:
            workload = self._objects[kind].get(name)
            if workload is None:
                return Verdict(WAITING, "not there yet")
            service = workload["metadata"].get("labels", {}).get(SERVICE, "")
            tree: Workload = {**cast("Workload", workload), "kind": kind}
            return judge(tree, self._pods().get(service, ()), time.time())

    def _pods(self) -> dict[str, list[Pod]]:
        """The pods by service, put in order once after each round of news: many services are waited for at once."""
        if self._index is None:
            self._index = {}
            for pod in self._objects["Pod"].values():
                service = pod["metadata"].get("labels", {}).get(SERVICE, "")
                self._index.setdefault(service, []).append(cast("Pod", pod))
        return self._index

    def verdicts(self) -> dict[str, Verdict]:
        """By key of the object."""
        self.start()
        with self._lock:
            names = [(kind, name) for kind in KINDS if kind != "Pod" for name in self._objects[kind]]
        return {f"{kind} {name}": self.verdict(kind, name) for kind, name in names}

    def expect(self, kind: str, tree: Object) -> None:
        """An object that has just been applied: what was known of it before is old."""
        if kind in self._objects:
            self.start()
            with self._lock:
                known = self._objects[kind].get(tree["metadata"]["name"])
                if known is None or _version(known) < _version(tree):
                    self._objects[kind][tree["metadata"]["name"]] = tree
                    self._index = None

    def has(self, kind: str, name: str = "") -> bool:
        """Whether an object of the kind is there, as last heard; without a name whether any is."""
        self.start()
        with self._lock:
            return name in self._objects[kind] if name else bool(self._objects[kind])

    def forget(self, kind: str, name: str) -> None:
        if kind in self._objects:
            with self._lock:
                self._objects[kind].pop(name, None)

    def wait(self, seconds: float) -> None:
        """Until something has changed, or nothing has for a while."""
        self.start()
        with self._lock:
            self._lock.wait_for(lambda: self._changed or self._lost is not None, min(seconds, LOOK_AGAIN))
            # News of hundreds of pods come in bursts: one look is enough for those of a moment.
            self._lock.wait_for(lambda: self._lost is not None, self._looked + BURST - time.monotonic())
            self._looked = time.monotonic()
            self._changed = False
            self._index = None
            if self._lost is not None:
                raise self._lost

    def _fill(self, kind: str) -> None:
        found = self._kube.list(kind, self._namespace, {PROJECT: self._project})
        with self._lock:
            self._objects[kind] = {one["metadata"]["name"]: one for one in found}
            self._changed = True
            self._lock.notify_all()

    def _follow(self, kind: str) -> None:
        """A watch ends when the server likes, and with an error when it has forgotten where it was: begin again then."""
        lost_since = 0.0
        while True:
            try:
                self._listen(kind)
                lost_since = 0.0
            except KubernetesError as error:
                now = time.monotonic()
                lost_since = lost_since or now
                if error.code == 0 and now - lost_since > PATIENCE:
                    with self._lock:
                        self._lost = error
                        self._lock.notify_all()
                    return
            time.sleep(PAUSE)

    def _listen(self, kind: str) -> None:
        self._fill(kind)
        for word, one in self._kube.watch(kind, self._namespace, {PROJECT: self._project}):
            with self._lock:
                name = one["metadata"]["name"]
                known = self._objects[kind].get(name)
                if word == "DELETED":
                    self._objects[kind].pop(name, None)
                elif known is None or _version(known) <= _version(one):
                    self._objects[kind][name] = one
                self._changed = True
                self._lock.notify_all()


def _version(tree: Object) -> int:
    """Resource versions are opaque by contract, and numbers by fact; where they are none, the newest word counts."""
    text = tree["metadata"].get("resourceVersion") or "0"
    return int(text) if text.isdecimal() else 0
