"""A container's Config and HostConfig in types: as fields.py normalises them, as the record keeps them, as inspect shows them.

Only type checkers import this. Every member of `Config` and `HostConfig` is there, with its default where the client said
nothing; members of the objects inside are there when the client gave them. Names, units and meaning are the Docker Engine
API's (https://docs.docker.com/reference/api/engine/): memory in bytes, times in nanoseconds, CPU periods in microseconds.
``Delay`` and ``Window`` of a restart policy are ours. tests/unit/test_container_bodies.py holds both files to each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict

if TYPE_CHECKING:
    from ...images.bodies import Healthcheck as Healthcheck
    from ...images.bodies import Set as Set
    from ...networks.bodies import HostPort as HostPort


class RestartPolicy(TypedDict, total=False):
    Name: str
    MaximumRetryCount: int
    Delay: int
    Window: int


class LogConfig(TypedDict, total=False):
    Type: str
    Config: dict[str, str]


class Weight(TypedDict, total=False):
    Path: str
    Weight: int


class Rate(TypedDict, total=False):
    """Bytes or operations in a second."""

    Path: str
    Rate: int


class Device(TypedDict, total=False):
    PathOnHost: str
    PathInContainer: str
    CgroupPermissions: str


class DeviceRequest(TypedDict, total=False):
    Driver: str
    Count: int
    DeviceIDs: list[str]
    Capabilities: list[list[str]]
    Options: dict[str, str]


class Ulimit(TypedDict, total=False):
    """-1 is no limit."""

    Name: str
    Soft: int
    Hard: int


class IdMapping(TypedDict):
    Source: str


class BindOptions(TypedDict, total=False):
    Propagation: str
    NonRecursive: bool
    CreateMountpoint: bool
    ReadOnlyNonRecursive: bool
    ReadOnlyForceRecursive: bool
    IDMapping: IdMapping


class DriverConfig(TypedDict, total=False):
    Name: str
    Options: dict[str, str]


class VolumeOptions(TypedDict, total=False):
    NoCopy: bool
    Labels: dict[str, str]
    DriverConfig: DriverConfig
    Subpath: str


class TmpfsOptions(TypedDict, total=False):
    SizeBytes: int
    Mode: int
    Options: list[list[str]]


class ImageOptions(TypedDict, total=False):
    Subpath: str


class Mount(TypedDict, total=False):
    """One of HostConfig.Mounts."""

    Type: str
    Source: str
    Target: str
    ReadOnly: bool
    Consistency: str
    BindOptions: BindOptions
    VolumeOptions: VolumeOptions
    TmpfsOptions: TmpfsOptions
    ImageOptions: ImageOptions
    ClusterOptions: dict[str, object]


class Config(TypedDict):
    Hostname: str
    Domainname: str
    User: str
    AttachStdin: bool
    AttachStdout: bool
    AttachStderr: bool
    ExposedPorts: Set | None
    Tty: bool
    OpenStdin: bool
    StdinOnce: bool
    Env: list[str] | None
    Cmd: list[str] | None
    Healthcheck: Healthcheck | None
    ArgsEscaped: bool
    Image: str
    Volumes: Set | None
    WorkingDir: str
    Entrypoint: list[str] | None
    NetworkDisabled: bool
    MacAddress: str
    OnBuild: list[str] | None
    Labels: dict[str, str] | None
    StopSignal: str
    StopTimeout: int | None
    Shell: list[str] | None


class Limits(TypedDict):
    """The members of HostConfig that become ``linux.resources``, and that an update may change."""

    CpuShares: int
    Memory: int
    NanoCpus: int
    BlkioWeight: int
    BlkioWeightDevice: list[Weight] | None
    BlkioDeviceReadBps: list[Rate] | None
    BlkioDeviceWriteBps: list[Rate] | None
    BlkioDeviceReadIOps: list[Rate] | None
    BlkioDeviceWriteIOps: list[Rate] | None
    CpuPeriod: int
    CpuQuota: int
    CpuRealtimePeriod: int
    CpuRealtimeRuntime: int
    CpusetCpus: str
    CpusetMems: str
    MemoryReservation: int
    MemorySwap: int
    MemorySwappiness: int | None
    OomKillDisable: bool | None
    PidsLimit: int | None


class HostConfig(Limits):
    Binds: list[str] | None
    ContainerIDFile: str
    LogConfig: LogConfig
    NetworkMode: str
    PortBindings: dict[str, list[HostPort] | None] | None
    RestartPolicy: RestartPolicy
    AutoRemove: bool
    VolumeDriver: str
    VolumesFrom: list[str] | None
    ConsoleSize: list[int]
    Annotations: dict[str, str] | None
    CapAdd: list[str] | None
    CapDrop: list[str] | None
    CgroupnsMode: str
    Dns: list[str] | None
    DnsOptions: list[str] | None
    DnsSearch: list[str] | None
    ExtraHosts: list[str] | None
    GroupAdd: list[str] | None
    IpcMode: str
    Cgroup: str
    Links: list[str] | None
    OomScoreAdj: int
    PidMode: str
    Privileged: bool
    PublishAllPorts: bool
    ReadonlyRootfs: bool
    SecurityOpt: list[str] | None
    StorageOpt: dict[str, str] | None
    Tmpfs: dict[str, str] | None
    UTSMode: str
    UsernsMode: str
    ShmSize: int
    Sysctls: dict[str, str] | None
    Runtime: str
    Isolation: str
    CgroupParent: str
    Devices: list[Device] | None
    DeviceCgroupRules: list[str] | None
    DeviceRequests: list[DeviceRequest] | None
    KernelMemory: int
    KernelMemoryTCP: int
    Ulimits: list[Ulimit] | None
    CpuCount: int
    CpuPercent: int
    IOMaximumIOps: int
    IOMaximumBandwidth: int
    Mounts: list[Mount] | None
    MaskedPaths: list[str] | None
    ReadonlyPaths: list[str] | None
    Init: bool | None


RateMember = Literal["BlkioDeviceReadBps", "BlkioDeviceWriteBps", "BlkioDeviceReadIOps", "BlkioDeviceWriteIOps"]


class MountPoint(TypedDict):
    """One of inspect's Mounts; ``Name`` and ``Driver`` with volumes only."""

    Type: str
    Name: NotRequired[str]
    Source: str
    Destination: str
    Driver: NotRequired[str]
    Mode: str
    RW: bool
    Propagation: str
