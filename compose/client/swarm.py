"""Calls of the Engine API on a swarm: nodes, services, tasks, secrets and configs. A manager answers them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .answers import MAYBE_OBJECTS, OBJECT, Shape
from .caller import Request
from .http import quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias, TypeVar

    from .bodies import swarm as bodies
    from .caller import Caller
    from .http import Query, Response

    T = TypeVar("T")
    Filters: TypeAlias = "Mapping[str, Sequence[str]] | None"

_KINDS = {
    "string": """
        Addr Availability Condition ConfigID ConfigName Consistency ContainerID CreatedAt Data DesiredState Dir Err
        FailureAction GID Level OS Order Protocol PublishMode Role Runtime SecretID SecretName ServiceID
        SpreadDescriptor State Subpath Timestamp UID""",
    "number": """
        Delay ForceUpdate Hard MaxAttempts MaxConcurrent MaxFailureRatio MaxReplicas MemoryBytes Monitor NanoCPUs
        PID Parallelism Pids PublishedPort Replicas SizeBytes Slot Soft StopGracePeriod TargetPort TotalCompletions
        Value Window""",
    "bool": """
        CreateMountpoint Disable Init NoCopy NoNewPrivileges NonRecursive OpenStdin ReadOnly ReadOnlyForceRecursive
        ReadOnlyNonRecursive TTY""",
    "object": """
        AppArmor BindOptions ContainerSpec ContainerStatus DNSConfig Description DiscreteResourceSpec DriverConfig
        Endpoint EndpointSpec Engine File Global GlobalJob JobIteration JobStatus Limits LogDriver Placement
        PortStatus Privileges Replicated ReplicatedJob Reservations Resources RollbackConfig SELinuxContext Seccomp
        Spec Spread Status TaskTemplate Templating TmpfsOptions UpdateConfig UpdateStatus Version VolumeOptions""",
    "objects": "Configs GenericResources Networks Platforms Plugins Ports Preferences Secrets Ulimits",
    "strings": """
        Args CapabilityAdd CapabilityDrop Command Constraints Groups Hosts Nameservers Search""",
    "texts": "Sysctls",
    "string or object": "Driver",
    "texts or strings": "Options",
    "object or string or number": "Mode",
}
_FIELDS = {name: kind for kind, names in _KINDS.items() for name in names.split()}
"""Names that mean something else in a swarm's objects than in the rest of the API."""

_CLUSTER: Shape[bodies.Cluster] = Shape(OBJECT, _FIELDS)
_SERVICE: Shape[bodies.Service] = Shape(OBJECT, _FIELDS)
_SERVICES: Shape[list[bodies.Service] | None] = Shape(MAYBE_OBJECTS, _FIELDS)
_TASK: Shape[bodies.Task] = Shape(OBJECT, _FIELDS)
_TASKS: Shape[list[bodies.Task] | None] = Shape(MAYBE_OBJECTS, _FIELDS)
_NODE: Shape[bodies.Node] = Shape(OBJECT, _FIELDS)
_NODES: Shape[list[bodies.Node] | None] = Shape(MAYBE_OBJECTS, _FIELDS)
_FILE: Shape[bodies.File] = Shape(OBJECT, _FIELDS)
_FILES: Shape[list[bodies.File] | None] = Shape(MAYBE_OBJECTS, _FIELDS)
_CREATED: Shape[bodies.Created] = Shape(OBJECT, _FIELDS)
_DISTRIBUTION: Shape[bodies.Distribution] = Shape(OBJECT)


class Swarm:
    """``noun`` is a path of the API: services, secrets, configs, nodes. Versions are those of ``Version.Index``."""

    def __init__(self, engine: Caller) -> None:
        self._engine = engine

    def cluster(self) -> bodies.Cluster:
        """The swarm itself. Raises `EngineError` (503) where the engine manages none."""
        return self._engine.ask(Request("GET", "/swarm"), _CLUSTER)

    def services(self, filters: Filters = None) -> list[bodies.Service]:
        """GET /services."""
        return self._list("services", filters, _SERVICES) or []

    def service(self, ref: str) -> bodies.Service:
        """GET /services/{id}."""
        return self._inspect("services", ref, _SERVICE)

    def tasks(self, filters: Filters = None) -> list[bodies.Task]:
        """GET /tasks."""
        return self._list("tasks", filters, _TASKS) or []

    def task(self, ref: str) -> bodies.Task:
        """GET /tasks/{id}."""
        return self._inspect("tasks", ref, _TASK)

    def nodes(self) -> list[bodies.Node]:
        """GET /nodes."""
        return self._list("nodes", None, _NODES) or []

    def node(self, ref: str) -> bodies.Node:
        """GET /nodes/{id}."""
        return self._inspect("nodes", ref, _NODE)

    def files(self, noun: str, filters: Filters = None) -> list[bodies.File]:
        """Secrets or configs."""
        return self._list(noun, filters, _FILES) or []

    def file(self, noun: str, ref: str) -> bodies.File:
        """One secret or config."""
        return self._inspect(noun, ref, _FILE)

    def _list(self, noun: str, filters: Filters, shape: Shape[T]) -> T:
        query = {"filters": json.dumps(filters) if filters else None}
        return self._engine.ask(Request("GET", f"/{noun}", query), shape)

    def _inspect(self, noun: str, ref: str, shape: Shape[T]) -> T:
        return self._engine.ask(Request("GET", f"/{noun}/{quote(ref)}"), shape)

    def create(self, noun: str, spec: Mapping[str, object], auth: str | None = None) -> bodies.Created:
        """Make an object of this kind; its id, and warnings."""
        headers = {"X-Registry-Auth": auth} if auth else None
        return self._engine.ask(Request("POST", f"/{noun}/create", None, dict(spec), headers), _CREATED)

    def update(self, noun: str, ref: str, version: int, spec: Mapping[str, object], auth: str | None = None) -> None:
        """Raises `EngineError` when the object is no longer at ``version``."""
        headers = {"X-Registry-Auth": auth} if auth else None
        path = f"/{noun}/{quote(ref)}/update"
        self._engine.call(Request("POST", path, {"version": version}, dict(spec), headers))

    def remove(self, noun: str, ref: str) -> None:
        """Delete it."""
        self._engine.call(Request("DELETE", f"/{noun}/{quote(ref)}"))

    def logs(self, noun: str, ref: str, query: Query) -> Response:
        """The output of a service's tasks or of one task, in multiplexed frames; ``noun`` is services or tasks."""
        return self._engine.stream(Request("GET", f"/{noun}/{quote(ref)}/logs", query))

    def distribution(self, ref: str, auth: str | None = None) -> bodies.Distribution:
        """What the registry says of an image: its descriptor, with the digest, and its platforms."""
        headers = {"X-Registry-Auth": auth} if auth else None
        return self._engine.ask(Request("GET", f"/distribution/{ref}/json", headers=headers), _DISTRIBUTION)
