"""A service as it is loaded, in the order of ``docker compose config``: Compose Specification, 05-services.md. Types only;
nothing here is imported at run time.

compose/load/bind.py says how each attribute is read, and a test compares the two. Every attribute may be missing; one that
is not given, or holds the zero of its type, is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from .build import Build
    from .deploy import Deploy, DeviceRequest
    from .parts import FileReference, Ulimit
    from .values import Duration, Exposed, Json, Restart, Size


class Hook(TypedDict, total=False):
    """An entry of ``post_start`` or ``pre_stop``, and what ``develop.watch`` runs."""

    command: list[str] | None
    user: str
    privileged: bool
    working_dir: str
    environment: dict[str, str | None]


class PreStartHook(Hook, total=False):
    image: str
    per_replica: bool


class WatchRule(TypedDict, total=False):
    path: str
    action: str
    target: str
    exec: Hook
    include: list[str]
    ignore: list[str]
    initial_sync: bool


class Develop(TypedDict, total=False):
    watch: list[WatchRule]


class DeviceWeight(TypedDict, total=False):
    Path: str
    Weight: int


class DeviceRate(TypedDict, total=False):
    """``Rate`` is in bytes, or in operations, a second."""

    Path: str
    Rate: Size


class BlkioConfig(TypedDict, total=False):
    weight: int
    weight_device: list[DeviceWeight]
    device_read_bps: list[DeviceRate]
    device_read_iops: list[DeviceRate]
    device_write_bps: list[DeviceRate]
    device_write_iops: list[DeviceRate]


class CredentialSpec(TypedDict, total=False):
    config: str
    file: str
    registry: str


class DependsOn(TypedDict, total=False):
    condition: str
    restart: bool
    required: bool


class Device(TypedDict, total=False):
    source: str
    target: str
    permissions: str


class Provider(TypedDict, total=False):
    type: str
    options: dict[str, Json]


class EnvFile(TypedDict, total=False):
    path: str
    required: bool
    format: str


class Extends(TypedDict, total=False):
    file: str
    service: str


Probes = TypedDict(
    "Probes",
    {
        "x-http": "Json",
        "x-tcp": "Json",
        "x-log": "Json",
        "x-notify": "Json",
    },
    total=False,
)
"""The checks that only pycompose's own engine makes, as they are written (docs/health.md)."""


class HealthCheck(Probes, total=False):
    test: list[str]
    timeout: Duration
    interval: Duration
    retries: int
    start_period: Duration
    start_interval: Duration
    disable: bool


class Logging(TypedDict, total=False):
    driver: str
    options: dict[str, str]


class ServiceModel(TypedDict, total=False):
    """The variables that a service learns a model's address and name from."""

    endpoint_var: str
    model_var: str


class ServiceNetwork(TypedDict, total=False):
    priority: int
    gw_priority: int
    interface_name: str
    aliases: list[str]
    ipv4_address: str
    ipv6_address: str
    link_local_ips: list[str]
    mac_address: str
    driver_opts: dict[str, str]


class Port(TypedDict, total=False):
    """``target`` is the container's port; ``published`` one of the host or a range of them, or missing: the engine's choice."""

    name: str
    mode: str
    host_ip: str
    target: int
    published: str
    protocol: str
    app_protocol: str


class Schedule(TypedDict, total=False):
    cron: str
    timezone: str
    concurrency: str
    missed_fires: str


class _OwnTriggers(TypedDict, total=False):
    manual: bool
    schedule: list[Schedule]


_TriggerExtensions = TypedDict(
    "_TriggerExtensions", {"x-keep": int, "x-retries": int, "x-retry-delay": "Duration"}, total=False
)


class Triggers(_OwnTriggers, _TriggerExtensions, total=False):
    """When a job runs; only jobs have them."""


_Idmap = TypedDict("_Idmap", {"x-idmap": str}, total=False)


class BindOptions(_Idmap, total=False):
    selinux: str
    propagation: str
    create_host_path: bool
    recursive: str


class VolumeOptions(TypedDict, total=False):
    labels: dict[str, str]
    nocopy: bool
    subpath: str


class TmpfsOptions(TypedDict, total=False):
    """``size`` is in bytes, ``mode`` a number of permission bits."""

    size: Size
    mode: int


class ImageOptions(TypedDict, total=False):
    subpath: str


class Mount(TypedDict, total=False):
    """An entry of ``volumes``: ``type`` is bind, volume, tmpfs, image, npipe or cluster."""

    type: str
    source: str
    target: str
    read_only: bool
    consistency: str
    bind: BindOptions
    volume: VolumeOptions
    tmpfs: TmpfsOptions
    image: ImageOptions


class Service(TypedDict, total=False):
    """A service, or a job: then with ``triggers``."""

    profiles: list[str]
    annotations: dict[str, str]
    attach: bool
    build: Build
    develop: Develop
    blkio_config: BlkioConfig
    cap_add: list[str]
    cap_drop: list[str]
    cgroup_parent: str
    cgroup: str
    cpu_count: int
    cpu_percent: float
    cpu_period: int
    cpu_quota: int
    cpu_rt_period: int
    cpu_rt_runtime: int
    cpus: float
    cpuset: str
    cpu_shares: int
    command: list[str] | None
    configs: list[FileReference]
    container_name: str
    credential_spec: CredentialSpec
    depends_on: dict[str, DependsOn]
    deploy: Deploy
    device_cgroup_rules: list[str]
    devices: list[Device]
    dns: list[str]
    dns_opt: list[str]
    dns_search: list[str]
    domainname: str
    provider: Provider
    entrypoint: list[str] | None
    environment: dict[str, str | None]
    env_file: list[str | EnvFile]
    expose: list[Exposed]
    extends: Extends
    external_links: list[str]
    extra_hosts: list[str]
    group_add: list[str]
    gpus: list[DeviceRequest]
    hostname: str
    healthcheck: HealthCheck
    image: str
    init: bool
    ipc: str
    isolation: str
    labels: dict[str, str]
    label_file: list[str]
    links: list[str]
    logging: Logging
    mem_limit: Size
    mem_reservation: Size
    memswap_limit: Size
    mem_swappiness: Size
    mac_address: str
    models: dict[str, ServiceModel | None]
    network_mode: str
    networks: dict[str, ServiceNetwork | None]
    oom_kill_disable: bool
    oom_score_adj: int
    pid: str
    pids_limit: int
    platform: str
    ports: list[Port]
    privileged: bool
    pull_policy: str
    pull_refresh_after: str
    read_only: bool
    restart: Restart
    runtime: str
    scale: int
    secrets: list[FileReference]
    security_opt: list[str]
    shm_size: Size
    stdin_open: bool
    stop_grace_period: Duration
    stop_signal: str
    storage_opt: dict[str, str]
    sysctls: dict[str, str]
    triggers: Triggers
    tmpfs: list[str]
    tty: bool
    ulimits: dict[str, int | Ulimit]
    use_api_socket: bool
    user: str
    userns_mode: str
    uts: str
    volumes: list[Mount]
    volumes_from: list[str]
    working_dir: str
    pre_start: list[PreStartHook]
    post_start: list[Hook]
    pre_stop: list[Hook]
