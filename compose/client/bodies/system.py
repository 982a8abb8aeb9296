"""The engine itself: version, info, disk usage, sign-in, and the status of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from .containers import ContainerRow
    from .images import ImageRow
    from .volumes import Volume


class Version(TypedDict, total=False):
    """GET /version."""

    Version: str
    ApiVersion: str
    MinAPIVersion: str
    Os: str
    Arch: str
    KernelVersion: str


class SwarmInfo(TypedDict, total=False):
    NodeID: str
    LocalNodeState: str


class Registries(TypedDict, total=False):
    InsecureRegistryCIDRs: list[str] | None


class Info(TypedDict, total=False):
    """GET /info, as much of it as is read by name: `system info` shows every field that is there. ``MemTotal`` is in bytes."""

    ID: str
    Name: str
    ServerVersion: str
    Containers: int
    ContainersRunning: int
    ContainersPaused: int
    ContainersStopped: int
    Images: int
    NCPU: int
    MemTotal: int
    DriverStatus: list[list[str]] | None
    Plugins: dict[str, list[str] | None] | None
    Swarm: SwarmInfo | None
    Runtimes: dict[str, object] | None
    DefaultRuntime: str
    SecurityOptions: list[str] | None
    RegistryConfig: Registries | None
    Labels: list[str] | None
    Warnings: list[str] | None


class CacheRow(TypedDict, total=False):
    """One record of the build cache."""

    ID: str
    Type: str
    Description: str
    InUse: bool
    Shared: bool
    Mutable: bool
    Size: int
    CreatedAt: str
    LastUsedAt: str | None
    UsageCount: int


class DiskUsage(TypedDict, total=False):
    """GET /system/df. ``LayersInUse`` is our engine's: a total that sizes of images cannot give."""

    LayersSize: int
    LayersInUse: int
    BuilderSize: int
    Images: list[ImageRow] | None
    Containers: list[ContainerRow] | None
    Volumes: list[Volume] | None
    BuildCache: list[CacheRow] | None


class SignedIn(TypedDict, total=False):
    """POST /auth; a registry that gives an identity token wants it in place of the password from then on."""

    Status: str
    IdentityToken: str


class Cleared(TypedDict, total=False):
    """What the last look of `gc` has taken away: counts and bytes. ``Time`` in seconds since the epoch."""

    Time: float
    Caches: int
    Images: int
    Logs: int
    Reclaimed: int


class EngineStatus(TypedDict, total=False):
    """GET /pycompose/engine: processes, paths, containers by state, and the last look of `gc` if there was one."""

    version: str
    root: str
    socket: str
    pid: int
    keeper_pid: int
    containers: dict[str, int]
    gc: Cleared | None


class Finding(TypedDict, total=False):
    """One finding of GET /pycompose/engine/check; ``state``: ok, weak, bad."""

    name: str
    state: str
    found: str
    remedy: str
