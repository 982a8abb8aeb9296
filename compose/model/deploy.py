"""The ``deploy`` section of a service: Compose Specification, deploy.md. Types only; nothing here is imported at run time."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from .values import Duration, Size


class DeviceRequest(TypedDict, total=False):
    """An entry of ``gpus`` or of ``deploy.resources.reservations.devices``. ``count`` -1 means all."""

    capabilities: list[str]
    driver: str
    count: int
    device_ids: list[str]
    options: dict[str, str]


class DiscreteResource(TypedDict, total=False):
    kind: str
    value: int


class GenericResource(TypedDict, total=False):
    discrete_resource_spec: DiscreteResource


class Resource(TypedDict, total=False):
    """``cpus`` is a number of processors, ``memory`` bytes, ``pids`` a number of tasks."""

    cpus: float
    memory: Size
    pids: int
    devices: list[DeviceRequest]
    generic_resources: list[GenericResource]


class Resources(TypedDict, total=False):
    limits: Resource
    reservations: Resource


class UpdateConfig(TypedDict, total=False):
    """``update_config`` and ``rollback_config``."""

    parallelism: int
    delay: Duration
    failure_action: str
    monitor: Duration
    max_failure_ratio: float
    order: str


class RestartPolicy(TypedDict, total=False):
    condition: str
    delay: Duration
    max_attempts: int
    window: Duration


class Preference(TypedDict, total=False):
    spread: str


class Placement(TypedDict, total=False):
    constraints: list[str]
    preferences: list[Preference]
    max_replicas_per_node: int


class Deploy(TypedDict, total=False):
    mode: str
    replicas: int
    labels: dict[str, str]
    update_config: UpdateConfig
    rollback_config: UpdateConfig
    resources: Resources
    restart_policy: RestartPolicy
    placement: Placement
    endpoint_mode: str
