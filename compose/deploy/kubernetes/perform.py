"""One operation of a plan, at the API server: what `run` needs done."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

from ...errors import OperationError
from ..ops import AwaitService, CreateObject, RemoveObject, UpdateObject
from ..run import LINES
from .client import CONFLICT, KubernetesError
from .logs import last_lines
from .names import ON_FAILURE, ROLLBACK
from .observe import conflict_words

if TYPE_CHECKING:
    from ...plan.ops import Operation
    from ..state import Verdict
    from .bodies.workloads import Workload
    from .client import Kube
    from .watch import Watch

GONE_WITHIN = 90.0
"""Seconds in which what is removed has to be gone."""

PAUSE = 0.3


class Hands:
    """Applies and removes, and tells how far workloads are."""

    def __init__(self, kube: Kube, watch: Watch, name: str, namespace: str, *, force: bool) -> None:
        self._kube = kube
        self._watch = watch
        self._namespace = namespace
        self._force = force
        self._before: dict[str, Workload] = {}

    def verdict(self, operation: AwaitService) -> Verdict:
        return self._watch.verdict(operation.wanted.kind, operation.wanted.name)

    def wait(self, seconds: float) -> None:
        self._watch.wait(seconds)

    def last_lines(self, source: str) -> list[str]:
        return last_lines(self._kube, self._namespace, source, LINES)

    def undo(self, operation: AwaitService) -> bool:
        """Apply the pods' template of before again. What else the update changed, such as the number of replicas, stays."""
        before = self._before.pop(operation.wanted.key, None)
        body = cast("Workload", operation.wanted.body)
        if before is None or body["metadata"].get("annotations", {}).get(ON_FAILURE, ROLLBACK) != ROLLBACK:
            return False
        self._kube.apply({**body, "spec": {**body["spec"], "template": before["spec"]["template"]}}, force=self._force)
        return True

    def perform(self, operation: Operation) -> None:
        if isinstance(operation, (CreateObject, UpdateObject)):
            wanted = operation.wanted
            if isinstance(operation, UpdateObject) and wanted.kind in ("Deployment", "DaemonSet"):
                before = self._kube.get(wanted.kind, wanted.name, self._namespace)
                if before is not None:
                    self._before[wanted.key] = cast("Workload", before)
            try:
                tree = self._kube.apply(wanted.body, force=self._force)
            except KubernetesError as error:
                if error.code != CONFLICT:
                    raise
                raise OperationError(conflict_words(wanted.key, str(error))) from error
            self._watch.expect(wanted.kind, tree)
        elif isinstance(operation, RemoveObject):
            found = operation.found
            if found.kind == "Namespace":
                self.settle()  # else its end waits for theirs with ever longer pauses
            if found.kind == "Job":
                self._watch.start()  # to hear of its end: the next one of the name can only be made then
            self._kube.remove(found.kind, found.name, self._namespace)
            if found.kind == "Job":
                self._until_gone("Job", found.name, f"Job {found.name} is")
            elif found.kind == "Namespace":
                self._await_end(found.name)
            self._watch.forget(found.kind, found.name)

    def settle(self) -> None:
        """Until the pods of what was removed have ended."""
        self._until_gone("Pod", "", "pods are")

    def _until_gone(self, kind: str, name: str, subject: str) -> None:
        """Removing is asked for at once and done when pods have had their time to end."""
        end = time.monotonic() + GONE_WITHIN
        while self._watch.has(kind, name):
            left = end - time.monotonic()
            if left <= 0:
                raise OperationError(f"{subject} still there {GONE_WITHIN:.0f}s after the removal")
            self._watch.wait(left)

    def _await_end(self, namespace: str) -> None:
        """Nobody who may see one namespace only may watch namespaces."""
        end = time.monotonic() + GONE_WITHIN
        while self._kube.get("Namespace", namespace, "") is not None:
            if time.monotonic() > end:
                raise OperationError(f"Namespace {namespace} is still there {GONE_WITHIN:.0f}s after the removal")
            time.sleep(PAUSE)
