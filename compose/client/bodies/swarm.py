"""Objects of a swarm: services, tasks, nodes, secrets and configs, as they are sent and as a manager gives them back. Times that are
spans are in nanoseconds, moments RFC 3339, sizes in bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from .containers import HealthCheck, Labels


class Driver(TypedDict, total=False):
    Name: str
    Options: dict[str, str] | None


class Named(TypedDict, total=False):
    Name: str


class VersionIndex(TypedDict, total=False):
    """An update says the version it is made from."""

    Index: int


# -- the specification of a service


class FileTarget(TypedDict, total=False):
    """Where a secret or config stands in the container; ``Mode`` are permission bits."""

    Name: str
    UID: str
    GID: str
    Mode: int


class FileUse(TypedDict, total=False):
    """A service's reference to a secret or config: name and id of one of them."""

    SecretName: str
    SecretID: str
    ConfigName: str
    ConfigID: str
    File: FileTarget


class BindOptions(TypedDict, total=False):
    Propagation: str
    NonRecursive: bool
    CreateMountpoint: bool
    ReadOnlyNonRecursive: bool
    ReadOnlyForceRecursive: bool


class VolumeOptions(TypedDict, total=False):
    NoCopy: bool
    Labels: Labels | None
    Subpath: str
    DriverConfig: Driver | None


class TmpfsOptions(TypedDict, total=False):
    SizeBytes: int
    Mode: int


class Mount(TypedDict, total=False):
    Type: str
    Source: str
    Target: str
    ReadOnly: bool
    Consistency: str
    BindOptions: BindOptions | None
    VolumeOptions: VolumeOptions | None
    TmpfsOptions: TmpfsOptions | None


class Resolver(TypedDict, total=False):
    Nameservers: list[str] | None
    Search: list[str] | None
    Options: list[str] | None


class Ulimit(TypedDict, total=False):
    Name: str
    Soft: int
    Hard: int


class ProfileMode(TypedDict, total=False):
    Mode: str


class SELinuxContext(TypedDict, total=False):
    Disable: bool
    User: str
    Role: str
    Type: str
    Level: str


class Privileges(TypedDict, total=False):
    NoNewPrivileges: bool
    Seccomp: ProfileMode
    AppArmor: ProfileMode
    SELinuxContext: SELinuxContext


class ContainerSpec(TypedDict, total=False):
    """``Hosts`` are lines of /etc/hosts; ``Command`` is the entrypoint, ``Args`` the command."""

    Image: str
    Labels: Labels
    Command: list[str] | None
    Args: list[str] | None
    Hostname: str
    Env: list[str] | None
    Dir: str
    User: str
    Groups: list[str] | None
    Init: bool
    TTY: bool
    OpenStdin: bool
    ReadOnly: bool
    StopSignal: str
    StopGracePeriod: int
    Healthcheck: HealthCheck
    Hosts: list[str] | None
    DNSConfig: Resolver
    Sysctls: dict[str, str] | None
    CapabilityAdd: list[str] | None
    CapabilityDrop: list[str] | None
    Ulimits: list[Ulimit] | None
    Privileges: Privileges | None
    Mounts: list[Mount] | None
    Secrets: list[FileUse] | None
    Configs: list[FileUse] | None


class Discrete(TypedDict, total=False):
    Kind: str
    Value: int


class GenericResource(TypedDict, total=False):
    DiscreteResourceSpec: Discrete


class Amounts(TypedDict, total=False):
    NanoCPUs: int
    MemoryBytes: int
    Pids: int
    GenericResources: list[GenericResource] | None


class Resources(TypedDict, total=False):
    Limits: Amounts
    Reservations: Amounts


class RestartPolicy(TypedDict, total=False):
    Condition: str
    Delay: int
    Window: int
    MaxAttempts: int


class SpreadOver(TypedDict, total=False):
    SpreadDescriptor: str


class Preference(TypedDict, total=False):
    Spread: SpreadOver


class Platform(TypedDict, total=False):
    OS: str
    Architecture: str


class Placement(TypedDict, total=False):
    Constraints: list[str] | None
    Preferences: list[Preference] | None
    MaxReplicas: int
    Platforms: list[Platform] | None


class Attachment(TypedDict, total=False):
    """``Target``: a network's name, or its id in what a manager gives back."""

    Target: str
    Aliases: list[str] | None
    DriverOpts: dict[str, str] | None


class TaskTemplate(TypedDict, total=False):
    ContainerSpec: ContainerSpec
    Resources: Resources
    RestartPolicy: RestartPolicy
    Placement: Placement
    Networks: list[Attachment] | None
    LogDriver: Driver
    ForceUpdate: int
    Runtime: str


class Replicated(TypedDict, total=False):
    Replicas: int


class ReplicatedJob(TypedDict, total=False):
    MaxConcurrent: int
    TotalCompletions: int


class Nothing(TypedDict):
    """A mode that has no settings."""


class Mode(TypedDict, total=False):
    """Exactly one of the four."""

    Replicated: Replicated | None
    Global: Nothing | None
    ReplicatedJob: ReplicatedJob | None
    GlobalJob: Nothing | None


class UpdateConfig(TypedDict, total=False):
    Parallelism: int
    Delay: int
    Monitor: int
    FailureAction: str
    MaxFailureRatio: float
    Order: str


class Port(TypedDict, total=False):
    Protocol: str
    TargetPort: int
    PublishedPort: int
    PublishMode: str


class Endpoint(TypedDict, total=False):
    Mode: str
    Ports: list[Port] | None


class ServiceSpec(TypedDict, total=False):
    """POST /services/create. Old stacks have their networks beside the task's template."""

    Name: str
    Labels: Labels
    TaskTemplate: TaskTemplate
    Mode: Mode
    UpdateConfig: UpdateConfig
    RollbackConfig: UpdateConfig
    EndpointSpec: Endpoint
    Networks: list[Attachment] | None


# -- what a manager gives back


class UpdateStatus(TypedDict, total=False):
    State: str
    StartedAt: str
    Message: str


class JobStatus(TypedDict, total=False):
    JobIteration: VersionIndex | None


class Service(TypedDict, total=False):
    ID: str
    Version: VersionIndex
    Spec: ServiceSpec
    Endpoint: Endpoint | None
    UpdateStatus: UpdateStatus | None
    JobStatus: JobStatus | None


class ContainerStatus(TypedDict, total=False):
    ContainerID: str
    PID: int
    ExitCode: int


class PortStatus(TypedDict, total=False):
    Ports: list[Port] | None


class TaskStatus(TypedDict, total=False):
    Timestamp: str
    State: str
    Message: str
    Err: str
    ContainerStatus: ContainerStatus | None
    PortStatus: PortStatus | None


class Task(TypedDict, total=False):
    """One container of a service: ``Slot`` counts those of a replicated one from 1."""

    ID: str
    ServiceID: str
    NodeID: str
    Slot: int
    CreatedAt: str
    DesiredState: str
    Spec: TaskTemplate
    Status: TaskStatus
    JobIteration: VersionIndex | None


class NodeSpec(TypedDict, total=False):
    Name: str
    Role: str
    Availability: str
    Labels: Labels | None


class EngineDescription(TypedDict, total=False):
    EngineVersion: str
    Labels: Labels | None


class NodeDescription(TypedDict, total=False):
    Hostname: str
    Platform: Platform
    Engine: EngineDescription


class NodeStatus(TypedDict, total=False):
    State: str
    Addr: str


class Node(TypedDict, total=False):
    ID: str
    Version: VersionIndex
    Spec: NodeSpec
    Description: NodeDescription
    Status: NodeStatus


class FileSpec(TypedDict, total=False):
    """A secret or config; ``Data`` is its content in base64, which a manager gives back of configs only."""

    Name: str
    Labels: Labels
    Data: str
    Templating: Driver


class File(TypedDict, total=False):
    """A secret or config that is there."""

    ID: str
    Version: VersionIndex
    Spec: FileSpec


class Cluster(TypedDict, total=False):
    ID: str
    Version: VersionIndex


class Created(TypedDict, total=False):
    ID: str
    Id: str
    Warnings: list[str] | None


class Descriptor(TypedDict, total=False):
    digest: str
    mediaType: str
    size: int


class Distribution(TypedDict, total=False):
    """GET /distribution/{name}/json: what a registry says of an image."""

    Descriptor: Descriptor | None
    Platforms: list[dict[str, object]] | None
