"""What an engine's JSON must look like, checked where it arrives: whoever reads it further on can rely on the types.

Field names mean the same all over the Docker Engine API, so one table of names and JSON kinds does for all answers. Where a
name means several things (``State`` is a word in listings and an object in details), the call says which.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OBJECT, OBJECTS = "object", "objects"
MAYBE_OBJECTS = "objects or nothing"

_NAMES = {
    "string": """
        Action Architecture ApiVersion Comment Command CreatedBy Deleted Destination Digest Driver FinishedAt Hostname HostIp
        HostPort ID IP IPAddress Id IdentityToken Image ImageID Message Mountpoint Name NetworkID NetworkMode Os Path
        Repository Scope ServerVersion Source StartedAt Tag Target Type Untagged User Version WorkingDir description error id
        name progress status stream""",
    "number": """
        BuilderSize ExitCode FailingStreak LayersSize MemTotal NCPU Pid PrivatePort PublicPort RefCount RestartCount
        SharedSize Size SizeRootFs SizeRw SpaceReclaimed StatusCode VirtualSize current keeper_pid online_cpus pid
        system_cpu_usage time timeNano total total_usage""",
    "bool": "Attachable Dead InUse Internal OOMKilled OpenStdin Paused Restarting Running Shared Tty",
    "object": """
        Actor Attributes Health Healthcheck HostConfig IPAM Metadata NetworkSettings Networks Plugins RegistryConfig
        RestartPolicy Runtimes Swarm UsageData aux blkio_stats cpu_stats cpu_usage errorDetail memory_stats networks
        pids_stats precpu_stats progressDetail""",
    "objects": "BuildCache ImagesDeleted Mounts io_service_bytes_recursive",
    "strings": "CachesDeleted ContainersDeleted Env Names NetworksDeleted RepoDigests RepoTags Titles VolumesDeleted Warnings",
    "lists": "Processes DriverStatus",
    "texts": "Options",
    "strings or string": "Cmd Entrypoint Test",
    "texts or strings": "Labels",
    "object or objects": "Config",
    "objects or string": "Log",
    "objects or number": "Images",
    "string or object": "State Status",
    "string or number": "Created CreatedAt",
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
    ]
)
"""Members whose own names are anybody's: they are no fields."""

_NAMED = frozenset(
    ["Networks", "Ports", "PortBindings", "ExposedPorts", "Volumes", "Containers", "Runtimes", "networks", "Plugins"]
)
"""Members whose names are anybody's and whose values are objects with fields."""


class Answer(dict[str, Any]):
    """An object of an answer. A field that the engine left out is the engine's mistake, and is said to be."""

    def __missing__(self, name: str) -> Any:
        raise EngineError(f"the engine's answer has no field {name}")


def decoded(data: bytes | str, what: str, root: str = "", fields: Mapping[str, str] | None = None) -> Any:
    """The JSON value in ``data``, the answer to ``what``, checked as `check` does. Raises `EngineError`."""
    try:
        value = json.loads(data, object_hook=Answer)
    except (ValueError, RecursionError) as error:
        raise EngineError(f"the engine's answer to {what} is not JSON") from error
    check(value, what, root, fields)
    return value


def check(value: Any, what: str, root: str = "", fields: Mapping[str, str] | None = None) -> None:
    """Raise `EngineError` when ``value`` is not of kind ``root`` ("" for any) or a field in it not of its own kind.
    ``fields`` come before the table."""
    wrong = next(_wrong(value, root, fields or {}), None)
    if wrong is not None:
        raise EngineError(f"the engine's answer to {what} is not what the API has: {wrong}")


def _wrong(value: Any, kind: str, fields: Mapping[str, str], path: str = "", depth: int = 0) -> Iterator[str]:
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


def _is(kind: str, value: Any) -> bool:
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
    "lists": "a list of lists",
    "texts": "an object of texts",
}


def _word(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    return {str: "text", int: "a number", float: "a number", list: "a list"}.get(type(value), "an object")
