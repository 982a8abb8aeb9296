"""What a clock starts, as a CronJob: a job of the file's, or a service with a schedule as its extension."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..extensions import extension
from ..jobs import SCHEDULE
from ..objects import READY, Wanted

if TYPE_CHECKING:
    from ...errors import Path
    from ...model.service import Schedule, Service
    from ..findings import Findings
    from .bodies import workloads as bodies
    from .bodies.meta import Metadata
    from .facts import Facts

SINCE = 21
"""The minor version from which CronJob is in batch/v1."""

ZONES_SINCE = 25
"""The minor version from which a schedule can name its time zone."""

MISSED = 30
"""Seconds after which a fire has been missed, as on one machine."""

KEPT = 10
"""Runs that are kept where the file says nothing, as on one machine."""

HERE = "UTC"
"""The zone of a schedule that names none."""


def cron_job(
    tree: Service, metadata: Metadata, job: bodies.WorkloadSpec, facts: Facts, path: Path, findings: Findings
) -> Wanted:
    spec: bodies.WorkloadSpec = {
        "schedule": str(extension(tree, SCHEDULE)),
        "concurrencyPolicy": "Forbid",
        "jobTemplate": {"spec": job},
    }
    triggers = tree.get("triggers") or {}
    for entry in triggers.get("schedule") or ():
        spec["schedule"] = entry["cron"]
        _add_zone(spec, entry, facts, path, findings)
        if entry.get("missed_fires") == "skip":
            spec["startingDeadlineSeconds"] = MISSED
        kept = triggers.get("x-keep", KEPT)
        spec["successfulJobsHistoryLimit"] = spec["failedJobsHistoryLimit"] = kept
    body: bodies.Workload = {
        "apiVersion": "batch/v1" if facts.minor >= SINCE else "batch/v1beta1",
        "kind": "CronJob",
        "metadata": metadata,
        "spec": spec,
    }
    return Wanted("CronJob", metadata["name"], body, path, str(path[1]), READY)


def _add_zone(spec: bodies.WorkloadSpec, entry: Schedule, facts: Facts, path: Path, findings: Findings) -> None:
    """Always named where it can be: else it is that of the machine which the cluster's controller runs on."""
    zone = entry.get("timezone") or HERE
    if facts.minor >= ZONES_SINCE:
        spec["timeZone"] = zone
    elif zone not in (HERE, "Etc/UTC"):
        place = (*path, "triggers", "schedule", 0, "timezone")
        findings.refuse(
            place, f"a schedule names its time zone from 1.{ZONES_SINCE} on, and the server is 1.{facts.minor}"
        )
