"""What conversion sends, in the shape of the Docker Engine API (api/swagger.yaml of moby): types only, nothing here is imported at
run time.

Sizes are bytes, durations nanoseconds unless a member says otherwise. ``Delay`` and ``Window`` of a restart policy are understood by
pycompose's own engine alone.
"""

from __future__ import annotations

from typing import TypedDict


class Healthcheck(TypedDict, total=False):
    Test: list[str]
    Interval: int
    Timeout: int
    StartPeriod: int
    StartInterval: int
    Retries: int


class LogConfig(TypedDict):
    Type: str
    Config: dict[str, str]


class RestartPolicy(TypedDict, total=False):
    Name: str
    MaximumRetryCount: int
    Delay: int
    Window: int


class PortBinding(TypedDict):
    HostIp: str
    HostPort: str


class ThrottleDevice(TypedDict):
    Path: str
    Rate: int


class WeightDevice(TypedDict):
    Path: str
    Weight: int


class DeviceMapping(TypedDict):
    PathOnHost: str
    PathInContainer: str
    CgroupPermissions: str


class DeviceRequest(TypedDict, total=False):
    Driver: str
    Count: int
    DeviceIDs: list[str] | None
    Capabilities: list[list[str]] | None
    Options: dict[str, str]


class Ulimit(TypedDict):
    Name: str
    Soft: int
    Hard: int


class BindOptions(TypedDict, total=False):
    Propagation: str
    CreateMountpoint: bool
    NonRecursive: bool
    ReadOnlyNonRecursive: bool
    ReadOnlyForceRecursive: bool
    IDMapping: dict[str, str]


class VolumeDriver(TypedDict, total=False):
    Name: str
    Options: dict[str, str]


class VolumeOptions(TypedDict, total=False):
    NoCopy: bool
    Subpath: str
    Labels: dict[str, str]
    DriverConfig: VolumeDriver


class TmpfsOptions(TypedDict, total=False):
    SizeBytes: int
    Mode: int


class ImageOptions(TypedDict):
    Subpath: str


class Mount(TypedDict, total=False):
    Type: str
    Source: str | None
    Target: str
    ReadOnly: bool
    Consistency: str
    BindOptions: BindOptions
    VolumeOptions: VolumeOptions
    TmpfsOptions: TmpfsOptions
    ImageOptions: ImageOptions


class Resources(TypedDict, total=False):
    """The part of HostConfig that limits. ``NanoCpus`` is processors times 10⁹."""

    BlkioDeviceReadBps: list[ThrottleDevice]
    BlkioDeviceReadIOps: list[ThrottleDevice]
    BlkioDeviceWriteBps: list[ThrottleDevice]
    BlkioDeviceWriteIOps: list[ThrottleDevice]
    BlkioWeight: int
    BlkioWeightDevice: list[WeightDevice]
    CgroupParent: str
    CpuPeriod: int
    CpuQuota: int
    CpuShares: int
    CpusetCpus: str
    DeviceCgroupRules: list[str]
    DeviceRequests: list[DeviceRequest]
    Devices: list[DeviceMapping]
    Memory: int
    MemoryReservation: int
    MemorySwap: int
    MemorySwappiness: int
    NanoCpus: int
    OomKillDisable: bool
    PidsLimit: int
    Ulimits: list[Ulimit]


class HostConfig(Resources, total=False):
    Annotations: dict[str, str]
    AutoRemove: bool
    Binds: list[str]
    CapAdd: list[str]
    CapDrop: list[str]
    CgroupnsMode: str
    ConsoleSize: list[int]
    Dns: list[str]
    DnsOptions: list[str]
    DnsSearch: list[str]
    ExtraHosts: list[str]
    GroupAdd: list[str]
    Init: bool
    IpcMode: str
    LogConfig: LogConfig
    MaskedPaths: list[str]
    Mounts: list[Mount]
    NetworkMode: str
    OomScoreAdj: int
    PidMode: str
    PortBindings: dict[str, list[PortBinding]]
    Privileged: bool
    ReadonlyPaths: list[str]
    ReadonlyRootfs: bool
    RestartPolicy: RestartPolicy
    Runtime: str
    SecurityOpt: list[str] | None
    ShmSize: int
    StorageOpt: dict[str, str]
    Sysctls: dict[str, str]
    Tmpfs: dict[str, str]
    UTSMode: str
    UsernsMode: str
    VolumesFrom: list[str]


class EndpointAddresses(TypedDict, total=False):
    IPv4Address: str
    IPv6Address: str
    LinkLocalIPs: list[str]


class EndpointSettings(TypedDict, total=False):
    Aliases: list[str]
    DriverOpts: dict[str, str]
    GwPriority: int
    IPAMConfig: EndpointAddresses
    Links: list[str]
    MacAddress: str


class NetworkingConfig(TypedDict):
    EndpointsConfig: dict[str, EndpointSettings]


class ContainerConfig(TypedDict, total=False):
    """``StopTimeout`` is in seconds."""

    AttachStderr: bool
    AttachStdin: bool
    AttachStdout: bool
    Cmd: list[str]
    Domainname: str
    Entrypoint: list[str]
    Env: list[str]
    ExposedPorts: dict[str, dict[str, str]]
    Healthcheck: Healthcheck
    Hostname: str
    Image: str
    Labels: dict[str, str]
    MacAddress: str
    OpenStdin: bool
    StdinOnce: bool
    StopSignal: str
    StopTimeout: int
    Tty: bool
    User: str
    Volumes: dict[str, dict[str, str]]
    WorkingDir: str


class ContainerBody(ContainerConfig, total=False):
    """POST /containers/create."""

    HostConfig: HostConfig
    NetworkingConfig: NetworkingConfig


class ExecBody(TypedDict):
    """POST /containers/{id}/exec."""

    AttachStdout: bool
    AttachStderr: bool
    Cmd: list[str]
    Env: list[str]
    User: str
    Privileged: bool
    WorkingDir: str


class JobSchedule(TypedDict, total=False):
    Cron: str
    Timezone: str
    Concurrency: str
    MissedFires: str


class JobBody(TypedDict, total=False):
    """PUT /pycompose/jobs/{name}. ``RetryDelay`` is in seconds."""

    Container: ContainerBody
    ContainerName: str
    Labels: dict[str, str]
    Manual: bool
    Retries: int
    Keep: int
    RetryDelay: float
    Schedule: JobSchedule


class IpamPool(TypedDict, total=False):
    Subnet: str
    IPRange: str
    Gateway: str
    AuxiliaryAddresses: dict[str, str]


class Ipam(TypedDict):
    Driver: str
    Config: list[IpamPool]
    Options: dict[str, str]


class _Network(TypedDict):
    Name: str
    Driver: str
    Options: dict[str, str]
    Internal: bool
    Attachable: bool
    EnableIPv6: bool
    Labels: dict[str, str]


class NetworkBody(_Network, total=False):
    """POST /networks/create."""

    CheckDuplicate: bool
    EnableIPv4: bool
    IPAM: Ipam


class VolumeBody(TypedDict):
    """POST /volumes/create."""

    Name: str
    Driver: str
    DriverOpts: dict[str, str]
    Labels: dict[str, str]


class BuildQuery(TypedDict, total=False):
    """The query of POST /build; what is None is not sent."""

    t: list[str]
    buildargs: str
    labels: str
    cachefrom: str
    target: str | None
    nocache: bool | None
    pull: bool | None
    networkmode: str | None
    extrahosts: str | None
    shmsize: int | None
    memory: int | None
    platform: str | None
    ulimits: str | None
    rm: int
    forcerm: int
    dockerfile: str
    remote: str
