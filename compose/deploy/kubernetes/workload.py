"""What runs a service's pods: Deployment, DaemonSet, Job or CronJob."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from ...convert.values import seconds
from ..extensions import extension
from ..jobs import JOB_MODES, SCHEDULE, mode, replicas
from ..objects import COMPLETED, READY, Wanted
from .cron import cron_job
from .names import LONGEST, ON_FAILURE, ROLLBACK, SERVICE, checked_annotations, checked_name, own_labels, selector
from .pod import pod_template
from .volumes import has_own_data

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...model import Project
    from ...model.service import Service
    from ..findings import Findings
    from .bodies import workloads as bodies
    from .bodies.meta import Metadata
    from .bodies.pods import Template
    from .facts import Facts
    from .files import Source

DIGITS = 8


def is_job(project: Project, name: str, awaited: frozenset[str]) -> bool:
    """Whether the service runs to its end: pods of a Deployment are started again whatever became of them."""
    tree = project.services[name]
    policy = ((tree.get("deploy") or {}).get("restart_policy") or {}).get("condition")
    once = policy in ("none", "on-failure") if policy else _word(tree) in ("no", "on-failure")
    return name in awaited or mode(tree) in JOB_MODES or bool(extension(tree, SCHEDULE)) or once or "triggers" in tree


def _word(tree: Service) -> str:
    return tree["restart"].policy[0] if "restart" in tree else ""


def workload(
    project: Project,
    name: str,
    facts: Facts,
    sources: Mapping[str, Mapping[str, Source]],
    findings: Findings,
    awaited: frozenset[str],
) -> list[Wanted]:
    """The object that runs the service, after what its bind mounts became."""
    tree = project.services[name]
    path = ("services", name)
    base = checked_name(name, path, findings)
    job = is_job(project, name, awaited)
    _check(project, name, findings, job=job)
    template, objects = pod_template(project, name, facts, sources, findings, "Never" if job else "Always")
    metadata: Metadata = {
        "name": base,
        "namespace": facts.namespace,
        "labels": {**own_labels(project.name, facts.namespace), SERVICE: name},
    }
    notes = checked_annotations((tree.get("deploy") or {}).get("labels"), (*path, "deploy", "labels"), findings)
    action = ((tree.get("deploy") or {}).get("update_config") or {}).get("failure_action")
    if action and action != ROLLBACK:
        notes[ON_FAILURE] = action
    if notes:
        metadata["annotations"] = notes
    if extension(tree, SCHEDULE) or (tree.get("triggers") or {}).get("schedule"):
        return [*objects, cron_job(tree, metadata, _job_spec(tree, template), facts, path, findings)]
    if job:
        return [*objects, _job(tree, metadata, template, path)]
    spec: bodies.WorkloadSpec = {"selector": {"matchLabels": selector(project.name, name)}, "template": template}
    monitor = ((tree.get("deploy") or {}).get("update_config") or {}).get("monitor")
    if monitor is not None and seconds(monitor):
        spec["minReadySeconds"] = seconds(monitor)
    kind = "DaemonSet" if mode(tree) == "global" else "Deployment"
    if kind == "DaemonSet":
        spec["updateStrategy"] = _daemon_strategy(tree)
    else:
        spec["replicas"] = replicas(tree)
        spec["strategy"] = _strategy(project, tree)
    body: bodies.Workload = {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}
    return [*objects, Wanted(kind, base, body, path, name, READY)]


def _check(project: Project, name: str, findings: Findings, *, job: bool) -> None:
    """What the kind of object that a service becomes has no place for."""
    tree = project.services[name]
    deploy = tree.get("deploy") or {}
    path = ("services", name, "deploy")
    if mode(tree) == "global-job":
        findings.refuse((*path, "mode"), "Kubernetes runs no job once on each node", "write replicated-job")
    if not job and (deploy.get("restart_policy") or {}).get("max_attempts") is not None:
        findings.ignore((*path, "restart_policy", "max_attempts"), "pods of a service are restarted without end")
    update = deploy.get("update_config") or {}
    if not job and mode(tree) != "global" and "parallelism" in update and _is_alone(project, tree):
        words = "a writer of a claim that is for one is replaced, not doubled: all its pods at once"
        findings.ignore((*path, "update_config", "parallelism"), words)


def _is_alone(project: Project, tree: Service) -> bool:
    """Whether the pods before have to be gone before the next may run."""
    order = ((tree.get("deploy") or {}).get("update_config") or {}).get("order")
    return not order and has_own_data(project, tree)


def _strategy(project: Project, tree: Service) -> bodies.Strategy:
    """The next pod first, where two may run side by side; else the one before goes first."""
    update = (tree.get("deploy") or {}).get("update_config") or {}
    count = max(update.get("parallelism", 1) or 0, 0) or max(replicas(tree), 1)
    order = update.get("order") or ""
    takes_port = any(port.get("mode") == "host" for port in tree.get("ports") or ())
    if _is_alone(project, tree):
        return {"type": "Recreate"}
    if order == "stop-first" or (not order and takes_port):
        return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": count}}
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": count, "maxUnavailable": 0}}


def _daemon_strategy(tree: Service) -> bodies.Strategy:
    update = (tree.get("deploy") or {}).get("update_config") or {}
    return {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": max(update.get("parallelism") or 1, 1)}}


def _job_spec(tree: Service, template: Template) -> bodies.WorkloadSpec:
    count = max(replicas(tree), 1)
    policy = (tree.get("deploy") or {}).get("restart_policy") or {}
    word, attempts = tree["restart"].policy if "restart" in tree else ("", 0)
    retries = int((tree.get("triggers") or {}).get("x-retries") or 0)
    if policy.get("condition") not in (None, "none") or (word and word != "no" and not policy):
        retries = int(policy.get("max_attempts") or attempts or 6)
    return {"backoffLimit": retries, "completions": count, "parallelism": count, "template": template}


def _job(tree: Service, metadata: Metadata, template: Template, path: tuple[str, ...]) -> Wanted:
    """A Job, with the digits of what it runs in its name: a Job cannot be changed, and one that has run has run."""
    spec = _job_spec(tree, template)
    digits = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:DIGITS]
    name = f"{metadata['name'][: LONGEST - DIGITS - 1]}-{digits}"
    body: bodies.Workload = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {**metadata, "name": name},
        "spec": spec,
    }
    return Wanted("Job", name, body, path, path[1], COMPLETED)
