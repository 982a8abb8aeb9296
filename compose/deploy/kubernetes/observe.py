"""What a project has on a cluster, and what the server would make of its manifests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...errors import OperationError
from ..objects import Found
from .client import CONFLICT, FORBIDDEN, KubernetesError, owners
from .convert import WORKLOADS
from .names import MANAGED_BY, MANAGER, PROJECT, SERVICE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..objects import Wanted
    from .bodies.meta import Object
    from .client import Kube

KINDS = (
    "Deployment",
    "DaemonSet",
    "Job",
    "CronJob",
    "Service",
    "NetworkPolicy",
    "Secret",
    "ConfigMap",
    "PersistentVolumeClaim",
)
_VOLATILE = frozenset(
    {"creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid", "finalizers"}
)


def observe(kube: Kube, project: str, namespace: str) -> dict[str, Found]:
    """The project's objects by key. Only what carries its labels is its own. Raises `OperationError` with a line for every kind that may
    not be looked at: who gives the rights is asked once."""
    found: dict[str, Found] = {}
    labels = {MANAGED_BY: MANAGER, PROJECT: project}
    try:
        there = kube.get("Namespace", namespace, "")
    except KubernetesError as error:
        if error.code != FORBIDDEN:
            raise
        # Who may not look at namespaces may have rights inside of one; what is refused there is told by name.
        there = {"metadata": {"name": namespace, "uid": ""}}
    if there is None:
        return found
    one = _found("Namespace", there, kept=True)
    found[one.key] = one
    refused: list[str] = []
    for kind in KINDS:
        try:
            trees = kube.list(kind, namespace, labels)
        except KubernetesError as error:
            if error.code != FORBIDDEN:
                raise
            refused.append(str(error))
            continue
        for tree in trees:
            if is_controlled(tree):
                continue
            one = _found(kind, tree, kept=kind == "PersistentVolumeClaim")
            found[one.key] = one
    if refused:
        raise OperationError("\n".join(refused))
    return found


def is_controlled(tree: Object) -> bool:
    """Whether a controller made it, as a CronJob makes Jobs: they have its pods' labels, and come and go with it."""
    return any(one.get("controller") for one in tree["metadata"].get("ownerReferences") or ())


def _found(kind: str, tree: Object, *, kept: bool) -> Found:
    metadata = tree["metadata"]
    service = metadata.get("labels", {}).get(SERVICE, "") if kind in WORKLOADS else ""
    version = metadata.get("generation", 0)
    return Found(kind, metadata["name"], metadata["uid"], version, comparable(kind, tree), service, kept)


def comparable(kind: str, tree: Object) -> dict[str, object]:
    """Without what the server keeps for itself, and without the content of secrets, which their names stand for."""
    metadata = {
        key: value for key, value in tree["metadata"].items() if key not in (*_VOLATILE, "annotations") and value
    }
    annotations = {
        key: value
        for key, value in (tree["metadata"].get("annotations") or {}).items()
        if not key.startswith(
            ("deployment.kubernetes.io/", "pv.kubernetes.io/", "volume.beta.kubernetes.io/", "volume.kubernetes.io/")
        )
    }
    if annotations:
        metadata["annotations"] = annotations
    body = {key: value for key, value in tree.items() if key not in ("status", "metadata", "apiVersion", "kind")}
    if kind == "Secret":
        body.pop("data", None)
    return {**body, "metadata": metadata}


def propose(
    kube: Kube, wanted: Iterable[Wanted], there: Mapping[str, Found], *, force: bool
) -> dict[str, Mapping[str, object]]:
    """What the server would hold of each object that is there already, by its own dry run. Raises `OperationError` for conflicts and for
    what may not be changed, all of them in one."""
    found: dict[str, Mapping[str, object]] = {}
    conflicts: list[str] = []
    for one in wanted:
        if one.key not in there:
            found[one.key] = {}
            continue
        if one.kind == "Namespace" or (one.kind == "Secret" and "data" not in one.body):
            found[one.key] = there[one.key].body  # that it is there is all that matters
            continue
        try:
            found[one.key] = comparable(one.kind, kube.apply(one.body, dry_run=True, force=force))
        except KubernetesError as error:
            if error.code == CONFLICT:
                conflicts.append(conflict_words(one.key, str(error)))
            elif is_immutable(str(error)):
                found[one.key] = {"immutable": str(error)}
            elif error.code == FORBIDDEN:
                conflicts.append(str(error))
            else:
                raise
    if conflicts:
        raise OperationError("\n".join(conflicts))
    return found


def is_immutable(message: str) -> bool:
    return "immutable" in message or "is forbidden after creation" in message or "may not be changed" in message


def conflict_words(key: str, message: str) -> str:
    """Who else has the field, and what to do about it."""
    fields = re.findall(r"(?:^|\s|- )(\.[\w.\[\]=\"{}:/,-]+)", message)
    what = ", ".join(dict.fromkeys(fields)) or message
    who = ", ".join(sorted(owners(message))) or "another manager"
    return f"{key}: {what} belongs to {who}; take it out of the file, or take it over with --force-conflicts"
