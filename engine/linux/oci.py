"""The OCI runtime configuration (config.json) in types: what the runtime reads, and the counters of a control group.

Only type checkers import this, so it costs nothing at run time. Members are those that the engine writes or reads of
https://github.com/opencontainers/runtime-spec/blob/main/config.md; another runtime may know more. Sizes are bytes, times of
``Cpu`` are microseconds, those of ``Counters`` nanoseconds.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class ConsoleSize(TypedDict):
    """``process.consoleSize``, in characters."""

    height: int
    width: int


class User(TypedDict):
    """``process.user``. The engine's own launches name the user in the launch document and look it up in the root."""

    uid: int
    gid: int
    additionalGids: list[int]
    umask: int


class Capabilities(TypedDict, total=False):
    """``process.capabilities``: names such as ``CAP_CHOWN``."""

    bounding: list[str]
    effective: list[str]
    permitted: list[str]
    inheritable: list[str]
    ambient: list[str]


class Rlimit(TypedDict):
    """``process.rlimits``: ``RLIMIT_NOFILE`` and the like; 2**64-1 is no limit."""

    type: str
    soft: int
    hard: int


class Process(TypedDict):
    args: list[str]
    terminal: NotRequired[bool]
    env: NotRequired[list[str]]
    cwd: NotRequired[str]
    user: NotRequired[User]
    capabilities: NotRequired[Capabilities]
    rlimits: NotRequired[list[Rlimit]]
    noNewPrivileges: NotRequired[bool]
    oomScoreAdj: NotRequired[int]
    consoleSize: NotRequired[ConsoleSize]
    apparmorProfile: NotRequired[str]
    selinuxLabel: NotRequired[str]


class Root(TypedDict, total=False):
    path: str
    readonly: bool


class Mount(TypedDict):
    destination: str
    type: NotRequired[str]
    source: NotRequired[str]
    options: NotRequired[list[str]]


class Namespace(TypedDict):
    """``path`` is that of an existing one; absent or empty for a new one."""

    type: str
    path: NotRequired[str]


class DeviceRule(TypedDict):
    """``linux.resources.devices``: absent or negative numbers mean all, ``type`` is a, b, c or u, ``access`` of ``rwm``."""

    allow: bool
    access: NotRequired[str]
    type: NotRequired[str]
    major: NotRequired[int]
    minor: NotRequired[int]


class Device(TypedDict):
    """``linux.devices``: a node to make."""

    path: str
    type: str
    major: int
    minor: int
    fileMode: NotRequired[int]
    uid: NotRequired[int]
    gid: NotRequired[int]


class Memory(TypedDict, total=False):
    """``swap`` counts memory and swap together; -1 is no limit."""

    limit: int
    reservation: int
    swap: int
    swappiness: int
    kernel: int
    kernelTCP: int
    disableOOMKiller: bool


class Cpu(TypedDict, total=False):
    shares: int
    idle: int
    period: int
    quota: int
    burst: int
    realtimePeriod: int
    realtimeRuntime: int
    cpus: str
    mems: str


class Pids(TypedDict):
    limit: int


class DeviceNumbers(TypedDict):
    major: int
    minor: int


class WeightDevice(DeviceNumbers):
    weight: int


class ThrottleDevice(DeviceNumbers):
    """``rate`` is bytes or operations in a second; 0 lifts the limit."""

    rate: int


class BlockIO(TypedDict, total=False):
    weight: int
    leafWeight: int
    weightDevice: list[WeightDevice]
    throttleReadBpsDevice: list[ThrottleDevice]
    throttleWriteBpsDevice: list[ThrottleDevice]
    throttleReadIOPSDevice: list[ThrottleDevice]
    throttleWriteIOPSDevice: list[ThrottleDevice]


Throttle = Literal[
    "throttleReadBpsDevice", "throttleWriteBpsDevice", "throttleReadIOPSDevice", "throttleWriteIOPSDevice"
]


class HugepageLimit(TypedDict):
    pageSize: str
    limit: int


class Resources(TypedDict, total=False):
    """``linux.resources``: members that are absent are left as they are."""

    devices: list[DeviceRule]
    memory: Memory
    cpu: Cpu
    pids: Pids
    blockIO: BlockIO
    hugepageLimits: list[HugepageLimit]
    unified: dict[str, str]


class SeccompArgument(TypedDict):
    index: int
    op: str
    value: int
    valueTwo: int


class SeccompRule(TypedDict):
    names: list[str]
    action: str
    errnoRet: NotRequired[int]
    args: list[SeccompArgument]


class Seccomp(TypedDict):
    defaultAction: str
    defaultErrnoRet: NotRequired[int]
    architectures: list[str]
    syscalls: list[SeccompRule]


class IdMapping(TypedDict):
    containerID: int
    hostID: int
    size: int


class Linux(TypedDict, total=False):
    namespaces: list[Namespace]
    uidMappings: list[IdMapping]
    gidMappings: list[IdMapping]
    resources: Resources
    maskedPaths: list[str]
    readonlyPaths: list[str]
    sysctl: dict[str, str]
    cgroupsPath: str
    devices: list[Device]
    mountLabel: str
    seccomp: Seccomp
    rootfsPropagation: str


class Hook(TypedDict, total=False):
    path: str
    args: list[str]
    env: list[str]
    timeout: int


class Configuration(TypedDict):
    process: Process
    ociVersion: NotRequired[str]
    hostname: NotRequired[str]
    domainname: NotRequired[str]
    root: NotRequired[Root]
    mounts: NotRequired[list[Mount]]
    annotations: NotRequired[dict[str, str]]
    linux: NotRequired[Linux]
    hooks: NotRequired[dict[str, list[Hook]]]


class CpuUsage(TypedDict):
    total: int
    user: int
    kernel: int
    percpu: NotRequired[list[int]]


class Throttling(TypedDict):
    periods: int
    throttledPeriods: int
    throttledTime: int


class CpuCounters(TypedDict, total=False):
    usage: CpuUsage
    throttling: Throttling


class MemoryUsage(TypedDict, total=False):
    """None where there is no limit, or no such number."""

    usage: int | None
    limit: int | None
    max: int | None
    failcnt: int | None


class MemoryCounters(TypedDict):
    usage: MemoryUsage
    swap: NotRequired[MemoryUsage]
    cache: NotRequired[int]
    raw: NotRequired[dict[str, int]]


class PidCounters(TypedDict):
    current: int
    limit: NotRequired[int | None]


class BlockCount(DeviceNumbers):
    op: str
    value: int


class BlockCounters(TypedDict):
    ioServiceBytesRecursive: list[BlockCount]
    ioServicedRecursive: list[BlockCount]


class Counters(TypedDict, total=False):
    """The counters of a control group in the shape of ``runc events --stats``; a controller that is missing leaves its
    member out."""

    cpu: CpuCounters
    memory: MemoryCounters
    pids: PidCounters
    blkio: BlockCounters
