"""What an engine's JSON must look like, checked where it arrives: whoever reads it further on can rely on the types.

Field names mean the same all over the Docker Engine API, so one table of names and JSON kinds does for all answers. Where a
name means several things (``State`` is a word in listings and an object in details), the call says which.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from ..errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import NoReturn

    from ...grammar.jsontree import Json

T_co = TypeVar("T_co", covariant=True)

OBJECT, OBJECTS = "object", "objects"
MAYBE_OBJECTS = "objects or nothing"


class Shape(Generic[T_co]):
    """What an answer must be, and its type from then on: the ``kind`` of the whole, and ``fields`` whose kinds come before the
    table's. The types are those of `bodies`."""

    __slots__ = ("fields", "kind")

    def __init__(self, kind: str, fields: Mapping[str, str] | None = None) -> None:
        self.kind, self.fields = kind, fields or {}


ANYTHING: Shape[Json] = Shape("")

_NAMES = {
    "string": """
        Action ApiVersion Arch Architecture Command Comment CreatedBy Cron DefaultRuntime Deleted Description
        Destination Digest Domainname Driver End EndpointID EngineVersion Error Finished FinishedAt Gateway
        GlobalIPv6Address HostIp HostPort Hostname ID IP IPAddress IPRange IPv4Address IPv6Address Id IdentityToken
        Image ImageID IpcMode KernelVersion LastTagTime LastUsedAt LocalNodeState MacAddress Message MinAPIVersion
        Mountpoint Name NetworkID NetworkMode NextFire NodeID Os Output ParentId Path PidMode Propagation Reason
        Repository Scope ServerVersion Source Start Started StartedAt StopSignal Subnet Tag Target Text Timezone
        Trigger Type Untagged User Variant Version WorkingDir base64 description detail digest error event excerpt
        found id image kind layer linkTarget mediaType message mtime name op output progress read remedy root rule
        ruleName scope socket stage state status stream target text title url version""",
    "number": """
        Allocated Attempt BuilderSize ContainersPaused ContainersRunning ContainersStopped ExitCode Expires
        FailingStreak GwPriority Index Interval Iteration LayersInUse LayersSize MaximumRetryCount MemTotal Memory
        Missed NCPU Pid PrivatePort PublicPort RefCount RestartCount Retries Seconds SharedSize Size SizeRootFs
        SizeRw Skipped SpaceReclaimed StartInterval StartPeriod StatusCode StopTimeout Timeout UsageCount
        VirtualSize code current index keeper_pid limit line mode online_cpus pid rx_bytes seconds size star_count
        step system_cpu_usage time timeNano total total_usage tx_bytes usage value work""",
    "bool": """
        AttachStdin Attachable AutoRemove ConfigOnly Dead EnableIPv4 EnableIPv6 InUse Ingress Internal Mutable
        OOMKilled OpenStdin Paused Privileged RW Restarting Running Shared StdinOnce Tty fails is_automated
        is_official""",
    "object": """
        Actor Descriptor ExposedPorts Health Healthcheck HostConfig IPAM IPAMConfig LastRun Metadata NetworkSettings
        Networks Owner Plugins PortBindings Ports RegistryConfig RestartPolicy Runtimes Schedule Swarm UsageData
        Volumes aux blkio_stats buildError containers cpu_stats cpu_usage errorDetail memory_stats networks
        pids_stats precpu_stats progressDetail stats""",
    "objects": "BuildCache ImagesDeleted Mounts Platforms io_service_bytes_recursive warnings",
    "strings": """
        Aliases CachesDeleted ContainersDeleted DNSNames Dns DnsOptions DnsSearch Env ExtraHosts InsecureRegistryCIDRs
        LinkLocalIPs Links Names
        NetworksDeleted RepoDigests RepoTags SecurityOptions Tags Titles VolumesDeleted Warnings""",
    "lists": "DriverStatus Processes",
    "texts": "Attributes AuxiliaryAddresses DriverOpts Options",
    "strings or string": "Cmd Entrypoint Test",
    "texts or strings": "Labels",
    "object or objects": "Config",
    "objects or string": "Log",
    "objects or number": "Images",
    "string or object": "Platform State Status",
    "string or number": "Created CreatedAt Kind Mode",
    "numbers": "percpu_usage",
    "strings or object": "Args",
}
_TABLE = {name: kind for kind, names in _NAMES.items() for name in names.split()}

_FREE = frozenset(
    [
        "Labels",
        "Options",
        "Attributes",
        "Annotations",
        "DriverOpts",
        "Sysctls",
        "Tmpfs",
        "StorageOpt",
        "BuildArgs",
        "Args",
        "Namespaces",
    ]
)
"""Members whose own names are anybody's, or mean something else than everywhere: they are no fields."""

_NAMED = frozenset(
    ["Networks", "Ports", "PortBindings", "ExposedPorts", "Volumes", "Containers", "Runtimes", "networks", "Plugins"]
)
"""Members whose names are anybody's and whose values are objects with fields."""


class Answer(dict[str, "Json"]):
    """An object of an answer. A field that the engine left out is the engine's mistake, and is said to be."""

    def __missing__(self, name: str) -> NoReturn:
        raise EngineError(f"the engine's answer has no field {name}")


def decoded(data: bytes | str, what: str, shape: Shape[T_co]) -> T_co:
    """The JSON value in ``data``, the answer to ``what``, checked as `check` does. Raises `EngineError`."""
    try:
        value = json.loads(data, object_hook=Answer)
    except (ValueError, RecursionError) as error:
        raise EngineError(f"the engine's answer to {what} is not JSON") from error
    return check(value, what, shape)


def check(value: Json, what: str, shape: Shape[T_co]) -> T_co:
    """``value`` with the type of ``shape``. Raises `EngineError` when it is not of its kind ("" for any) or a field in it not of
    the field's own."""
    wrong = next(_wrong(value, shape.kind, shape.fields), None)
    if wrong is not None:
        raise EngineError(f"the engine's answer to {what} is not what the API has: {wrong}")
    return cast("T_co", value)


def _wrong(value: Json, kind: str, fields: Mapping[str, str], path: str = "", depth: int = 0) -> Iterator[str]:
    if kind and not any(_is(one, value) for one in kind.split(" or ")):
        yield f"{path or 'it'} is {_word(value)}, not {' or '.join(_WORDS[one] for one in kind.split(' or '))}"
        return
    if isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, (dict, list)):
                yield from _wrong(item, "", fields, f"{path}[{index}]", depth + 1)
        return
    if not isinstance(value, dict):
        return
    last = path.rpartition(".")[2]
    if last in _FREE:
        return
    for name, item in value.items():
        if item is None:
            continue
        known = "" if last in _NAMED and isinstance(item, (dict, list)) else fields.get(name, _TABLE.get(name, ""))
        if known or isinstance(item, (dict, list)):
            yield from _wrong(item, known, fields, f"{path}.{name}" if path else name, depth + 1)


def _is(kind: str, value: Json) -> bool:
    match kind:
        case "nothing":
            return value is None
        case "string":
            return isinstance(value, str)
        case "number":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case "bool":
            return isinstance(value, bool)
        case "object":
            return isinstance(value, dict)
        case "objects":
            return isinstance(value, list) and all(isinstance(item, dict) for item in value)
        case "strings":
            return isinstance(value, list) and all(isinstance(item, str) for item in value)
        case "numbers":
            return isinstance(value, list) and all(_is("number", item) for item in value)
        case "lists":
            return isinstance(value, list) and all(isinstance(item, list) for item in value)
        case "texts":
            return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
    raise ValueError(kind)


_WORDS = {
    "nothing": "nothing",
    "string": "text",
    "number": "a number",
    "bool": "true or false",
    "object": "an object",
    "objects": "a list of objects",
    "strings": "a list of texts",
    "numbers": "a list of numbers",
    "lists": "a list of lists",
    "texts": "an object of texts",
}


def _word(value: Json) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    return {str: "text", int: "a number", float: "a number", list: "a list"}.get(type(value), "an object")
