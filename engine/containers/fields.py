"""The members of a container's Config and HostConfig: their JSON types and what they are when nothing was given.

One table each, in the order in which inspect shows them. ``normalize`` checks a hostile body against a table; it judges
types only, the sense of the values is validate.py's.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ..errors import InvalidParameter

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["string", "int", "bool", "bool?", "int?", "strings", "map", "sets", "object", "objects", "ints", "any"]


@dataclass(frozen=True, slots=True)
class Field:
    kind: Kind
    default: Any = None


def _strings(default: list[str] | None = None) -> Field:
    return Field("strings", default)


_TEXT = Field("string", "")
_ZERO = Field("int", 0)
_NO = Field("bool", False)

CONFIG: Mapping[str, Field] = {
    "Hostname": _TEXT,
    "Domainname": _TEXT,
    "User": _TEXT,
    "AttachStdin": _NO,
    "AttachStdout": _NO,
    "AttachStderr": _NO,
    "ExposedPorts": Field("sets"),
    "Tty": _NO,
    "OpenStdin": _NO,
    "StdinOnce": _NO,
    "Env": _strings(),
    "Cmd": _strings(),
    "Healthcheck": Field("object"),
    "ArgsEscaped": _NO,
    "Image": _TEXT,
    "Volumes": Field("sets"),
    "WorkingDir": _TEXT,
    "Entrypoint": _strings(),
    "NetworkDisabled": _NO,
    "MacAddress": _TEXT,
    "OnBuild": _strings(),
    "Labels": Field("map"),
    "StopSignal": _TEXT,
    "StopTimeout": Field("int?"),
    "Shell": _strings(),
}

HOST_CONFIG: Mapping[str, Field] = {
    "Binds": _strings(),
    "ContainerIDFile": _TEXT,
    "LogConfig": Field("object", {}),
    "NetworkMode": Field("string", "default"),
    "PortBindings": Field("object"),
    "RestartPolicy": Field("object", {"Name": "no", "MaximumRetryCount": 0}),
    "AutoRemove": _NO,
    "VolumeDriver": _TEXT,
    "VolumesFrom": _strings(),
    "ConsoleSize": Field("ints", [0, 0]),
    "Annotations": Field("map"),
    "CapAdd": _strings(),
    "CapDrop": _strings(),
    "CgroupnsMode": _TEXT,
    "Dns": _strings(),
    "DnsOptions": _strings(),
    "DnsSearch": _strings(),
    "ExtraHosts": _strings(),
    "GroupAdd": _strings(),
    "IpcMode": Field("string", "private"),
    "Cgroup": _TEXT,
    "Links": _strings(),
    "OomScoreAdj": _ZERO,
    "PidMode": _TEXT,
    "Privileged": _NO,
    "PublishAllPorts": _NO,
    "ReadonlyRootfs": _NO,
    "SecurityOpt": _strings(),
    "StorageOpt": Field("map"),
    "Tmpfs": Field("map"),
    "UTSMode": _TEXT,
    "UsernsMode": _TEXT,
    "ShmSize": _ZERO,
    "Sysctls": Field("map"),
    "Runtime": _TEXT,
    "Isolation": _TEXT,
    "CpuShares": _ZERO,
    "Memory": _ZERO,
    "NanoCpus": _ZERO,
    "CgroupParent": _TEXT,
    "BlkioWeight": _ZERO,
    "BlkioWeightDevice": Field("objects"),
    "BlkioDeviceReadBps": Field("objects"),
    "BlkioDeviceWriteBps": Field("objects"),
    "BlkioDeviceReadIOps": Field("objects"),
    "BlkioDeviceWriteIOps": Field("objects"),
    "CpuPeriod": _ZERO,
    "CpuQuota": _ZERO,
    "CpuRealtimePeriod": _ZERO,
    "CpuRealtimeRuntime": _ZERO,
    "CpusetCpus": _TEXT,
    "CpusetMems": _TEXT,
    "Devices": Field("objects"),
    "DeviceCgroupRules": _strings(),
    "DeviceRequests": Field("objects"),
    "KernelMemory": _ZERO,
    "KernelMemoryTCP": _ZERO,
    "MemoryReservation": _ZERO,
    "MemorySwap": _ZERO,
    "MemorySwappiness": Field("int?"),
    "OomKillDisable": Field("bool?"),
    "PidsLimit": Field("int?"),
    "Ulimits": Field("objects"),
    "CpuCount": _ZERO,
    "CpuPercent": _ZERO,
    "IOMaximumIOps": _ZERO,
    "IOMaximumBandwidth": _ZERO,
    "Mounts": Field("objects"),
    "MaskedPaths": _strings(),
    "ReadonlyPaths": _strings(),
    "Init": Field("bool?"),
}

# Members that inspect leaves out when they are empty.
OPTIONAL = frozenset(
    {
        "Healthcheck", "ArgsEscaped", "ExposedPorts", "NetworkDisabled", "MacAddress", "StopSignal", "StopTimeout", "Shell",
        "Annotations", "StorageOpt", "Tmpfs", "Sysctls", "Init", "Mounts", "KernelMemory", "KernelMemoryTCP",
    }
)  # fmt: skip

_I64 = 2**63


def normalize(table: Mapping[str, Field], body: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Every member of ``table``, from ``body`` or its default; unknown members are dropped, as Docker drops them.

    Names match without regard to case, as Go's decoder does. Raises InvalidParameter for a wrong JSON type.
    """
    folded = {name.lower(): name for name in body}
    result: dict[str, Any] = {}
    for name, field in table.items():
        given = name if name in body else folded.get(name.lower())
        value = body[given] if given is not None else None
        if value is None:
            result[name] = deepcopy(field.default)
        else:
            result[name] = convert(field.kind, value, f"{where}.{name}" if where else name)
    return result


def convert(kind: Kind, value: Any, where: str) -> Any:
    match kind:
        case "string":
            if isinstance(value, str):
                return value
        case "int" | "int?":
            if isinstance(value, float) and value.is_integer():
                value = int(value)
            if isinstance(value, int) and not isinstance(value, bool) and -_I64 <= value < _I64:
                return value
        case "bool" | "bool?":
            if isinstance(value, bool):
                return value
        case "strings":
            if isinstance(value, str) and where in ("Cmd", "Entrypoint"):
                return [value]
            if isinstance(value, list) and all(isinstance(item, str) for item in value):
                return list(value)
        case "map":
            if isinstance(value, dict) and all(isinstance(item, str) for item in value.values()):
                return dict(value)
        case "sets":
            if isinstance(value, dict):
                return {key: {} for key in value}
        case "object":
            if isinstance(value, dict):
                return value
        case "objects":
            if isinstance(value, list) and all(isinstance(item, dict) for item in value):
                return value
        case "ints":
            if isinstance(value, list) and all(isinstance(item, int) for item in value):
                return value
        case "any":
            return value
    words = {"int": "a number", "int?": "a number", "bool": "true or false", "bool?": "true or false"}
    words |= {"string": "a string", "strings": "a list of strings", "map": "a map of strings", "sets": "a map"}
    words |= {"object": "an object", "objects": "a list of objects", "ints": "a list of numbers"}
    raise InvalidParameter(f"invalid JSON: cannot use this {_json_type(value)} as {where}: want {words[kind]}")


def _json_type(value: Any) -> str:
    names = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}
    return names.get(type(value), "value")


def shown(table: Mapping[str, Field], values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as inspect shows them: optional members are left out when they have nothing to say."""
    return {
        name: values.get(name)
        for name in table
        if name not in OPTIONAL or values.get(name) not in (None, "", 0, {}, [], False)
    }
