"""Containers: listings, details, statistics, changes, archives."""

from __future__ import annotations

from typing import TypedDict

Labels = dict[str, str]


class Identified(TypedDict, total=False):
    """The answer of a creation or a commit."""

    Id: str
    Warnings: list[str] | None


class Warned(TypedDict, total=False):
    Warnings: list[str] | None


class PortRow(TypedDict, total=False):
    """A port of a listing; without ``PublicPort`` it is not published."""

    IP: str
    PrivatePort: int
    PublicPort: int
    Type: str


class PortBinding(TypedDict, total=False):
    HostIp: str
    HostPort: str


class IpamOfEndpoint(TypedDict, total=False):
    IPv4Address: str
    IPv6Address: str
    LinkLocalIPs: list[str] | None


class EndpointSettings(TypedDict, total=False):
    """A container's place in a network."""

    NetworkID: str
    EndpointID: str
    IPAddress: str
    GlobalIPv6Address: str
    Gateway: str
    MacAddress: str
    GwPriority: int
    Aliases: list[str] | None
    DNSNames: list[str] | None
    Links: list[str] | None
    DriverOpts: dict[str, str] | None
    IPAMConfig: IpamOfEndpoint | None


class MountPoint(TypedDict, total=False):
    Type: str
    Name: str
    Source: str
    Destination: str
    Driver: str
    Mode: str
    RW: bool
    Propagation: str


class NetworksOfRow(TypedDict, total=False):
    Networks: dict[str, EndpointSettings | None] | None


class HostOfRow(TypedDict, total=False):
    NetworkMode: str


class ContainerRow(TypedDict, total=False):
    """One element of GET /containers/json. ``Created`` is in seconds since the epoch; `Containers.list` sees to it that each has a
    name and labels, if need be none."""

    Id: str
    Names: list[str]
    Image: str
    ImageID: str
    Command: str
    Created: int
    State: str
    Status: str
    Ports: list[PortRow] | None
    Labels: Labels
    SizeRw: int
    SizeRootFs: int
    HostConfig: HostOfRow
    NetworkSettings: NetworksOfRow
    Mounts: list[MountPoint] | None


class Probe(TypedDict, total=False):
    """One run of a health check."""

    Start: str
    End: str
    ExitCode: int
    Output: str


class Health(TypedDict, total=False):
    Status: str
    FailingStreak: int
    Log: list[Probe] | None


class ContainerState(TypedDict, total=False):
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
    Health: Health | None


class HealthCheck(TypedDict, total=False):
    """Durations are in nanoseconds."""

    Test: list[str]
    Interval: int
    Timeout: int
    Retries: int
    StartPeriod: int
    StartInterval: int


class ContainerConfig(TypedDict, total=False):
    """What the image and the creation said together."""

    Hostname: str
    Domainname: str
    User: str
    Image: str
    Env: list[str] | None
    Cmd: list[str] | None
    Entrypoint: list[str] | None
    WorkingDir: str
    Tty: bool
    OpenStdin: bool
    StdinOnce: bool
    AttachStdin: bool
    StopSignal: str
    StopTimeout: int
    Labels: Labels | None
    Volumes: dict[str, object] | None
    ExposedPorts: dict[str, object] | None
    Healthcheck: HealthCheck | None


class RestartPolicy(TypedDict, total=False):
    Name: str
    MaximumRetryCount: int


class HostConfig(TypedDict, total=False):
    Memory: int
    NetworkMode: str
    PidMode: str
    IpcMode: str
    AutoRemove: bool
    Privileged: bool
    RestartPolicy: RestartPolicy | None
    PortBindings: dict[str, list[PortBinding] | None] | None
    Dns: list[str] | None
    DnsOptions: list[str] | None
    DnsSearch: list[str] | None
    ExtraHosts: list[str] | None


class NetworkSettings(TypedDict, total=False):
    Networks: dict[str, EndpointSettings | None] | None
    Ports: dict[str, list[PortBinding] | None] | None


class Container(TypedDict, total=False):
    """GET /containers/{id}/json. ``Created`` is RFC 3339; ``Image`` the image's id."""

    Id: str
    Name: str
    Created: str
    Path: str
    Args: list[str] | None
    Image: str
    Driver: str
    Platform: str
    RestartCount: int
    SizeRw: int
    SizeRootFs: int
    State: ContainerState
    Config: ContainerConfig
    HostConfig: HostConfig
    NetworkSettings: NetworkSettings
    Mounts: list[MountPoint] | None


class Processes(TypedDict, total=False):
    """GET /containers/{id}/top."""

    Titles: list[str] | None
    Processes: list[list[str]] | None


class Change(TypedDict, total=False):
    """``Kind``: 0 changed, 1 added, 2 deleted."""

    Path: str
    Kind: int


class PathStat(TypedDict, total=False):
    """X-Docker-Container-Path-Stat. ``mode`` has Go's bits: 1 << 31 is a directory, 1 << 27 a symbolic link."""

    name: str
    size: int
    mode: int
    mtime: str
    linkTarget: str


class WaitError(TypedDict, total=False):
    Message: str


class Waited(TypedDict, total=False):
    """POST /containers/{id}/wait."""

    StatusCode: int
    Error: WaitError | None


class Pruned(TypedDict, total=False):
    """What a prune has deleted, by the noun, and the bytes that this gave back."""

    ContainersDeleted: list[str] | None
    NetworksDeleted: list[str] | None
    VolumesDeleted: list[str] | None
    CachesDeleted: list[str] | None
    SpaceReclaimed: int
