"""What the Engine API answers about containers, in types: inspect, listings, execs, stats, top.

Only type checkers import this. Meaning and units are the Docker Engine API's: times are RFC 3339 text unless said otherwise,
sizes bytes, CPU times nanoseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NotRequired, TypedDict

from ...networks.bodies import EndpointSettings, HostPort

if TYPE_CHECKING:
    from ...images.bodies import DescriptorJson, GraphDriver
    from .bodies import MountPoint


class ProbeShown(TypedDict):
    Start: str
    End: str
    ExitCode: int
    Output: str


class HealthShown(TypedDict):
    Status: str
    FailingStreak: int
    Log: list[ProbeShown]


class StateShown(TypedDict):
    Status: str
    Running: bool
    Paused: bool
    Restarting: bool
    OOMKilled: bool
    Dead: bool
    Pid: int
    ExitCode: int
    Error: str
    StartedAt: str
    FinishedAt: str
    Health: NotRequired[HealthShown]


PortMap = dict[str, list[HostPort] | None]
"""``80/tcp`` and where it is published; None for one that is exposed only."""


class MainEndpoint(TypedDict):
    """The endpoint on the default bridge, in the place of older versions of the API."""

    Gateway: str
    IPAddress: str
    IPPrefixLen: int
    MacAddress: str
    EndpointID: str
    IPv6Gateway: str
    GlobalIPv6Address: str
    GlobalIPv6PrefixLen: int


class NetworkSettings(MainEndpoint):
    Bridge: str
    SandboxID: str
    SandboxKey: str
    Ports: PortMap
    HairpinMode: bool
    LinkLocalIPv6Address: str
    LinkLocalIPv6PrefixLen: int
    SecondaryIPAddresses: None
    SecondaryIPv6Addresses: None
    Networks: dict[str, EndpointSettings]


class ContainerInspect(TypedDict):
    """GET /containers/{id}/json. ``Config`` and ``HostConfig`` are those of bodies.py without what says nothing."""

    Id: str
    Created: str
    Path: str
    Args: list[str]
    State: StateShown
    Image: str
    ResolvConfPath: str
    HostnamePath: str
    HostsPath: str
    LogPath: str
    Name: str
    RestartCount: int
    Driver: str
    Platform: str
    MountLabel: str
    ProcessLabel: str
    AppArmorProfile: str
    ExecIDs: list[str] | None
    HostConfig: dict[str, object]
    GraphDriver: GraphDriver
    Mounts: list[MountPoint]
    Config: dict[str, object]
    NetworkSettings: NetworkSettings
    ImageManifestDescriptor: NotRequired[DescriptorJson]
    SizeRw: NotRequired[int]
    SizeRootFs: NotRequired[int]


class PortShown(TypedDict):
    """``IP`` and ``PublicPort`` of a published port only."""

    IP: NotRequired[str]
    PrivatePort: int
    PublicPort: NotRequired[int]
    Type: str


class SummaryHost(TypedDict):
    NetworkMode: str
    Annotations: NotRequired[dict[str, str]]


class SummaryNetworks(TypedDict):
    Networks: dict[str, EndpointSettings]


class ContainerSummary(TypedDict):
    """One row of GET /containers/json; ``Created`` is seconds since the epoch."""

    Id: str
    Names: list[str]
    Image: str
    ImageID: str
    Command: str
    Created: int
    Ports: list[PortShown]
    Labels: dict[str, str]
    State: str
    Status: str
    HostConfig: SummaryHost
    NetworkSettings: SummaryNetworks
    Mounts: list[MountPoint]
    ImageManifestDescriptor: NotRequired[DescriptorJson]
    SizeRw: NotRequired[int]
    SizeRootFs: NotRequired[int]


class ExecConfig(TypedDict):
    """A POST /containers/{id}/exec body, complete."""

    User: str
    Privileged: bool
    Tty: bool
    ConsoleSize: list[int] | None
    AttachStdin: bool
    AttachStderr: bool
    AttachStdout: bool
    DetachKeys: str
    Env: list[str] | None
    WorkingDir: str
    Cmd: list[str] | None


class ExecProcessConfig(TypedDict):
    tty: bool
    entrypoint: str
    arguments: list[str]
    privileged: bool
    user: NotRequired[str]


class ExecInspect(TypedDict):
    """GET /exec/{id}/json."""

    ID: str
    Running: bool
    ExitCode: int | None
    ProcessConfig: ExecProcessConfig
    OpenStdin: bool
    OpenStderr: bool
    OpenStdout: bool
    CanRemove: bool
    ContainerID: str
    DetachKeys: str
    Pid: int


class CpuUsage(TypedDict):
    total_usage: int
    usage_in_kernelmode: int
    usage_in_usermode: int
    percpu_usage: NotRequired[list[int]]


class Throttling(TypedDict):
    periods: int
    throttled_periods: int
    throttled_time: int


class CpuStats(TypedDict):
    cpu_usage: CpuUsage
    system_cpu_usage: NotRequired[int]
    online_cpus: NotRequired[int]
    throttling_data: Throttling


class MemoryStats(TypedDict, total=False):
    usage: int
    max_usage: int
    failcnt: int
    stats: dict[str, int]
    limit: int


class PidsStats(TypedDict, total=False):
    current: int
    limit: int


class BlockEntry(TypedDict):
    major: int
    minor: int
    op: str
    value: int


class InterfaceStats(TypedDict):
    rx_bytes: int
    rx_packets: int
    rx_errors: int
    rx_dropped: int
    tx_bytes: int
    tx_packets: int
    tx_errors: int
    tx_dropped: int


class Stats(TypedDict):
    """One document of GET /containers/{id}/stats."""

    read: str
    preread: str
    pids_stats: PidsStats
    blkio_stats: dict[str, list[BlockEntry]]
    num_procs: int
    storage_stats: dict[str, int]
    cpu_stats: CpuStats
    precpu_stats: CpuStats
    memory_stats: MemoryStats
    name: str
    id: str
    os_type: str
    networks: NotRequired[dict[str, InterfaceStats]]


class Top(TypedDict):
    """GET /containers/{id}/top: ps' columns, and a row of text for each process."""

    Titles: list[str]
    Processes: list[list[str]]
