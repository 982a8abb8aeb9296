"""What runs a service's pods: Deployment, DaemonSet, Job or CronJob."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from ...convert.values import pairs, seconds
from ..extensions import extension
from ..jobs import JOB_MODES, SCHEDULE, mode, replicas
from ..objects import COMPLETED, READY, Wanted
from .names import LONGEST, ON_FAILURE, ROLLBACK, SERVICE, checked_name, is_annotation, own_labels, selector
from .pod import pod_template
from .text import plain
from .volumes import has_own_data

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...model import Project
    from ...model.service import Service
    from ..findings import Findings
    from .facts import Facts
    from .files import Source

DIGITS = 8
CRON_SINCE = 21
"""The minor version from which CronJob is in batch/v1."""


def is_job(project: Project, name: str, awaited: frozenset[str]) -> bool:
    """Whether the service runs to its end: pods of a Deployment are started again whatever became of them."""
    tree = project.services[name]
    policy = ((tree.get("deploy") or {}).get("restart_policy") or {}).get("condition")
    once = str(policy) in ("none", "on-failure") if policy else _word(tree) in ("no", "on-failure")
    return name in awaited or mode(tree) in JOB_MODES or bool(extension(tree, SCHEDULE)) or once


def _word(tree: Mapping[str, Any]) -> str:
    return str(tree.get("restart") or "").partition(":")[0]


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
    template, objects = pod_template(project, name, facts, sources, findings, "Never" if job else "Always")
    metadata: dict[str, Any] = {
        "name": base,
        "namespace": facts.namespace,
        "labels": {**own_labels(project.name, facts.namespace), SERVICE: name},
    }
    annotations = {key: plain(value) for key, value in pairs((tree.get("deploy") or {}).get("labels")).items()}
    for key in annotations:
        if not is_annotation(key):
            findings.refuse((*path, "deploy", "labels", key), f"{key!r} is no key for an annotation")
    action = ((tree.get("deploy") or {}).get("update_config") or {}).get("failure_action")
    if action and action != ROLLBACK:
        annotations[ON_FAILURE] = str(action)
    if annotations:
        metadata["annotations"] = annotations
    if extension(tree, SCHEDULE):
        return [*objects, _cron_job(tree, metadata, template, facts, path)]
    if job:
        return [*objects, _job(tree, metadata, template, path)]
    spec: dict[str, Any] = {"selector": {"matchLabels": selector(project.name, name)}, "template": template}
    monitor = ((tree.get("deploy") or {}).get("update_config") or {}).get("monitor")
    if monitor is not None and seconds(monitor):
        spec["minReadySeconds"] = seconds(monitor)
    kind = "DaemonSet" if mode(tree) == "global" else "Deployment"
    if kind == "DaemonSet":
        spec["updateStrategy"] = _daemon_strategy(tree)
    else:
        spec["replicas"] = replicas(tree)
        spec["strategy"] = _strategy(project, tree)
    body = {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}
    return [*objects, Wanted(kind, base, body, path, name, READY)]


def _strategy(project: Project, tree: Service) -> dict[str, Any]:
    """The next pod first, where two may run side by side; else the one before goes first."""
    update = (tree.get("deploy") or {}).get("update_config") or {}
    count = max(int(update.get("parallelism", 1) or 0), 0) or max(replicas(tree), 1)
    order = str(update.get("order") or "")
    takes_port = any(port.get("mode") == "host" for port in tree.get("ports") or ())
    if not order and has_own_data(project, tree):
        return {"type": "Recreate"}
    if order == "stop-first" or (not order and takes_port):
        return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": count}}
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": count, "maxUnavailable": 0}}


def _daemon_strategy(tree: Mapping[str, Any]) -> dict[str, Any]:
    update = (tree.get("deploy") or {}).get("update_config") or {}
    return {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": max(int(update.get("parallelism") or 1), 1)}}


def _job_spec(tree: Service, template: dict[str, Any]) -> dict[str, Any]:
    count = max(replicas(tree), 1)
    policy = (tree.get("deploy") or {}).get("restart_policy") or {}
    word, _, number = str(tree.get("restart") or "").partition(":")
    retries = 0
    if policy.get("condition") not in (None, "none") or (word and word != "no" and not policy):
        retries = int(policy.get("max_attempts") or (number if number.isdigit() else 6))
    return {"backoffLimit": retries, "completions": count, "parallelism": count, "template": template}


def _job(tree: Service, metadata: dict[str, Any], template: dict[str, Any], path: tuple[str, ...]) -> Wanted:
    """A Job, with the digits of what it runs in its name: a Job cannot be changed, and one that has run has run."""
    spec = _job_spec(tree, template)
    digits = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:DIGITS]
    name = f"{metadata['name'][: LONGEST - DIGITS - 1]}-{digits}"
    body = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {**metadata, "name": name}, "spec": spec}
    return Wanted("Job", name, body, path, path[1], COMPLETED)


def _cron_job(
    tree: Service, metadata: dict[str, Any], template: dict[str, Any], facts: Facts, path: tuple[str, ...]
) -> Wanted:
    body = {
        "apiVersion": "batch/v1" if facts.minor >= CRON_SINCE else "batch/v1beta1",
        "kind": "CronJob",
        "metadata": metadata,
        "spec": {
            "schedule": str(extension(tree, SCHEDULE)),
            "concurrencyPolicy": "Forbid",
            "jobTemplate": {"spec": _job_spec(tree, template)},
        },
    }
    return Wanted("CronJob", str(metadata["name"]), body, path, path[1], READY)
