"""A project as the manifests of a namespace. Pure but for the files that secrets, configs and small bind mounts name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...plan.graph import HEALTHY, STARTED, dependencies
from ..jobs import awaited
from ..objects import COMPLETED, READY, Wanted
from .files import file_objects
from .logins import login_objects
from .names import MANAGED_BY, MANAGER, PROJECT, SET_ID, SET_KINDS, SET_TOOL, set_id, set_name
from .policies import policies
from .services import service_objects
from .volumes import claim
from .workload import workload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...model import Project
    from ..findings import Findings
    from .bodies.meta import Metadata, Object
    from .facts import Facts

WORKLOADS = ("Deployment", "DaemonSet", "Job", "CronJob")
GROUP_KINDS = (
    "ConfigMap",
    "CronJob.batch",
    "DaemonSet.apps",
    "Deployment.apps",
    "Job.batch",
    "NetworkPolicy.networking.k8s.io",
    "PersistentVolumeClaim",
    "Secret",
    "Service",
)
"""Every kind that a project may have objects of: what is looked through for what it no longer has."""


def convert(project: Project, facts: Facts, findings: Findings) -> list[Wanted]:
    """Every object, each with what must be there before it."""
    first = [namespace(project, facts), parent(project, facts)]
    objects: list[Wanted] = []
    sources = {}
    for noun in ("secrets", "configs"):
        made, sources[noun] = file_objects(project, facts, noun, findings)
        objects += made
    objects += login_objects(project, facts)
    used = {str(one.get("source")) for tree in project.services.values() for one in tree.get("volumes") or ()}
    claims = [claim(project, facts, key, findings) for key in project.volumes if key in used]
    objects += [one for one in claims if one is not None]
    objects += policies(project, facts, findings)
    jobs = awaited(project)
    for name in project.services:
        objects += service_objects(project, name, facts, findings)
    shared = tuple(one.key for one in (*first, *objects))
    for name in project.services:
        made = workload(project, name, facts, sources, findings, jobs)
        needs = (*shared, *(one.key for one in made if one.kind not in WORKLOADS))
        objects += [replace(one, needs=needs) if one.kind in WORKLOADS else one for one in made]
    needed = tuple(one.key for one in first)
    _check_names(objects, findings)
    return [*first, *(one if one.needs else replace(one, needs=needed) for one in _unique(objects))]


def _unique(objects: Sequence[Wanted]) -> list[Wanted]:
    """Two services may mount the same file of this machine: that is one object."""
    return list({one.key: one for one in objects}.values())


def _check_names(objects: Sequence[Wanted], findings: Findings) -> None:
    """Two things with one name after renaming."""
    seen: dict[str, Wanted] = {}
    for one in objects:
        other = seen.setdefault(one.key, one)
        if other is not one and other.body != one.body:
            findings.refuse(one.path, f"its {one.kind} would be called {one.name}, as another's already is")


def namespace(project: Project, facts: Facts) -> Wanted:
    labels = {MANAGED_BY: MANAGER, PROJECT: project.name}
    body: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": facts.namespace, "labels": labels}}
    return Wanted("Namespace", facts.namespace, body, ("name",))


def parent(project: Project, facts: Facts) -> Wanted:
    """The parent of the ApplySet: what the project's objects are found by, for others' tools as well."""
    metadata: Metadata = {
        "name": set_name(project.name),
        "namespace": facts.namespace,
        "labels": {MANAGED_BY: MANAGER, PROJECT: project.name, SET_ID: set_id(project.name, facts.namespace)},
        "annotations": {SET_TOOL: f"{MANAGER}/v1", SET_KINDS: ",".join(GROUP_KINDS)},
    }
    body: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    key = f"Namespace {facts.namespace}"
    return Wanted("ConfigMap", metadata["name"], body, ("name",), needs=(key,))


def gates(project: Project, name: str, keys: dict[str, str]) -> list[tuple[str, str, bool]]:
    """What ``name`` waits for before it is made: the key of another's object, until ready or completed (or only made), whether required.
    ``keys`` are the objects that run the services."""
    words = {STARTED: "", HEALTHY: READY}
    return [
        (keys[other], words.get(one.condition, COMPLETED), one.required)
        for other, one in dependencies(project.services[name]).items()
        if other in keys
    ]
