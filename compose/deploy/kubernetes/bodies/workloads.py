"""What runs pods: Deployment, DaemonSet, Job, CronJob."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from .meta import Condition, Labels, Metadata
    from .pods import Template


class RollingUpdate(TypedDict, total=False):
    """Numbers of pods."""

    maxSurge: int
    maxUnavailable: int


class Strategy(TypedDict, total=False):
    type: str
    rollingUpdate: RollingUpdate


class JobSpec(TypedDict, total=False):
    backoffLimit: int
    completions: int
    parallelism: int
    template: Template


class JobTemplate(TypedDict):
    spec: JobSpec


class WorkloadSpec(JobSpec, total=False):
    """The fields of all four kinds."""

    selector: Labels
    replicas: int
    minReadySeconds: int
    strategy: Strategy
    updateStrategy: Strategy
    schedule: str
    timeZone: str
    concurrencyPolicy: str
    startingDeadlineSeconds: int
    successfulJobsHistoryLimit: int
    failedJobsHistoryLimit: int
    jobTemplate: JobTemplate


class WorkloadStatus(TypedDict, total=False):
    """Numbers of pods: those of a DaemonSet end with Scheduled, ``succeeded`` and ``active`` are a Job's."""

    observedGeneration: int
    replicas: int
    updatedReplicas: int
    availableReplicas: int
    desiredNumberScheduled: int
    updatedNumberScheduled: int
    numberAvailable: int
    succeeded: int
    active: int
    conditions: list[Condition]


class Workload(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: Metadata
    spec: WorkloadSpec
    status: WorkloadStatus
