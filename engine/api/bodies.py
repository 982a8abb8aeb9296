"""What the Engine API answers about the engine itself, in types; only type checkers import this. Sizes are bytes."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class Plugins(TypedDict):
    Volume: list[str]
    Network: list[str]
    Authorization: list[str] | None
    Log: list[str]


class IndexConfig(TypedDict):
    Mirrors: list[str]
    Name: str
    Official: bool
    Secure: bool


class RegistryConfig(TypedDict):
    IndexConfigs: dict[str, IndexConfig]
    InsecureRegistryCIDRs: list[str]
    Mirrors: list[str]
    AllowNondistributableArtifactsCIDRs: None
    AllowNondistributableArtifactsHostnames: None


class Runtime(TypedDict):
    path: str


class Swarm(TypedDict):
    NodeID: str
    NodeAddr: str
    LocalNodeState: str
    ControlAvailable: bool
    Error: str
    RemoteManagers: None


class Commit(TypedDict):
    ID: str
    Expected: str


class FirewallBackend(TypedDict):
    Driver: str
    Info: list[list[str]]


class DiscoveredDevice(TypedDict):
    Source: str
    ID: str


class Info(TypedDict):
    """GET /info. ``SystemTime`` is RFC 3339 text."""

    ID: str
    Containers: int
    ContainersRunning: int
    ContainersPaused: int
    ContainersStopped: int
    Images: int
    Driver: str
    DriverStatus: list[list[str]]
    Plugins: Plugins
    MemoryLimit: bool
    SwapLimit: bool
    KernelMemory: bool
    CpuCfsPeriod: bool
    CpuCfsQuota: bool
    CPUShares: bool
    CPUSet: bool
    PidsLimit: bool
    IPv4Forwarding: bool
    BridgeNfIptables: bool
    BridgeNfIp6tables: bool
    Debug: bool
    NFd: int
    OomKillDisable: bool
    NGoroutines: int
    SystemTime: str
    LoggingDriver: str
    CgroupDriver: str
    CgroupVersion: str
    NEventsListener: int
    KernelVersion: str
    OperatingSystem: str
    OSVersion: str
    OSType: str
    Architecture: str
    IndexServerAddress: str
    RegistryConfig: RegistryConfig
    NCPU: int | None
    MemTotal: int
    GenericResources: None
    DockerRootDir: str
    HttpProxy: str
    HttpsProxy: str
    NoProxy: str
    Name: str
    Labels: list[str]
    ExperimentalBuild: bool
    ServerVersion: str
    Runtimes: dict[str, Runtime]
    DefaultRuntime: str
    Swarm: Swarm
    LiveRestoreEnabled: bool
    Isolation: str
    InitBinary: str
    ContainerdCommit: Commit
    RuncCommit: Commit
    InitCommit: Commit
    SecurityOptions: list[str]
    Warnings: list[str]
    CDISpecDirs: list[str]
    FirewallBackend: FirewallBackend
    DiscoveredDevices: NotRequired[list[DiscoveredDevice]]


class Share(TypedDict):
    """One kind of things since API 1.52: counts, sizes, and the things themselves when asked."""

    ActiveCount: int
    TotalCount: int
    Reclaimable: int
    TotalSize: int
    Items: NotRequired[list[object]]


class Usage(TypedDict, total=False):
    """GET /system/df in the words of old and new versions."""

    LayersSize: int
    LayersInUse: int
    BuilderSize: int
    Images: list[object] | None
    Containers: list[object] | None
    Volumes: list[object] | None
    BuildCache: list[object] | None
    ImageUsage: Share
    ContainerUsage: Share
    VolumeUsage: Share
    BuildCacheUsage: Share
