"""The members of a container's Config and HostConfig: their JSON types and what they are when nothing was given.

One table each, in the order in which inspect shows them. They judge types only (engine/shapes.py does); the sense of the
values is validate.py's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ...shapes import Field, normalize

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .bodies import Config, HostConfig


_TEXT = Field("string", "")
_ZERO = Field("int", 0)
_NO = Field("bool", False)
_WORDS = Field("strings")
_PAIRS = Field("map")

HEALTHCHECK: Mapping[str, Field] = {
    "Test": _WORDS, "Interval": _ZERO, "Timeout": _ZERO, "StartPeriod": _ZERO, "StartInterval": _ZERO, "Retries": _ZERO,
}  # fmt: skip
RESTART_POLICY: Mapping[str, Field] = {
    "Name": _TEXT, "MaximumRetryCount": _ZERO, "Delay": _ZERO, "Window": _ZERO,
}  # fmt: skip
_RATE: Mapping[str, Field] = {"Path": _TEXT, "Rate": _ZERO}
_DEVICE: Mapping[str, Field] = {"PathOnHost": _TEXT, "PathInContainer": _TEXT, "CgroupPermissions": _TEXT}
_DEVICE_REQUEST: Mapping[str, Field] = {
    "Driver": _TEXT, "Count": _ZERO, "DeviceIDs": _WORDS, "Capabilities": Field("word lists"), "Options": _PAIRS,
}  # fmt: skip
_DRIVER: Mapping[str, Field] = {"Name": _TEXT, "Options": _PAIRS}
_MOUNT: Mapping[str, Field] = {
    "Type": _TEXT, "Source": _TEXT, "Target": _TEXT, "ReadOnly": _NO, "Consistency": _TEXT,
    "BindOptions": Field("object", members={
        "Propagation": _TEXT, "NonRecursive": _NO, "CreateMountpoint": _NO, "ReadOnlyNonRecursive": _NO,
        "ReadOnlyForceRecursive": _NO, "IDMapping": Field("object", members={"Source": _TEXT}),
    }),
    "VolumeOptions": Field("object", members={
        "NoCopy": _NO, "Labels": _PAIRS, "DriverConfig": Field("object", members=_DRIVER), "Subpath": _TEXT,
    }),
    "TmpfsOptions": Field("object", members={"SizeBytes": _ZERO, "Mode": _ZERO, "Options": Field("word lists")}),
    "ImageOptions": Field("object", members={"Subpath": _TEXT}),
    "ClusterOptions": Field("object"),
}  # fmt: skip

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
    "Env": _WORDS,
    "Cmd": _WORDS,
    "Healthcheck": Field("object", members=HEALTHCHECK),
    "ArgsEscaped": _NO,
    "Image": _TEXT,
    "Volumes": Field("sets"),
    "WorkingDir": _TEXT,
    "Entrypoint": _WORDS,
    "NetworkDisabled": _NO,
    "MacAddress": _TEXT,
    "OnBuild": _WORDS,
    "Labels": Field("map"),
    "StopSignal": _TEXT,
    "StopTimeout": Field("int?"),
    "Shell": _WORDS,
}

HOST_CONFIG: Mapping[str, Field] = {
    "Binds": _WORDS,
    "ContainerIDFile": _TEXT,
    "LogConfig": Field("object", {}, {"Type": _TEXT, "Config": _PAIRS}),
    "NetworkMode": Field("string", "default"),
    "PortBindings": Field("map of objects", members={"HostIp": _TEXT, "HostPort": _TEXT}),
    "RestartPolicy": Field("object", {"Name": "no", "MaximumRetryCount": 0}, RESTART_POLICY),
    "AutoRemove": _NO,
    "VolumeDriver": _TEXT,
    "VolumesFrom": _WORDS,
    "ConsoleSize": Field("ints", [0, 0]),
    "Annotations": Field("map"),
    "CapAdd": _WORDS,
    "CapDrop": _WORDS,
    "CgroupnsMode": _TEXT,
    "Dns": _WORDS,
    "DnsOptions": _WORDS,
    "DnsSearch": _WORDS,
    "ExtraHosts": _WORDS,
    "GroupAdd": _WORDS,
    "IpcMode": Field("string", "private"),
    "Cgroup": _TEXT,
    "Links": _WORDS,
    "OomScoreAdj": _ZERO,
    "PidMode": _TEXT,
    "Privileged": _NO,
    "PublishAllPorts": _NO,
    "ReadonlyRootfs": _NO,
    "SecurityOpt": _WORDS,
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
    "BlkioWeightDevice": Field("objects", members={"Path": _TEXT, "Weight": _ZERO}),
    "BlkioDeviceReadBps": Field("objects", members=_RATE),
    "BlkioDeviceWriteBps": Field("objects", members=_RATE),
    "BlkioDeviceReadIOps": Field("objects", members=_RATE),
    "BlkioDeviceWriteIOps": Field("objects", members=_RATE),
    "CpuPeriod": _ZERO,
    "CpuQuota": _ZERO,
    "CpuRealtimePeriod": _ZERO,
    "CpuRealtimeRuntime": _ZERO,
    "CpusetCpus": _TEXT,
    "CpusetMems": _TEXT,
    "Devices": Field("objects", members=_DEVICE),
    "DeviceCgroupRules": _WORDS,
    "DeviceRequests": Field("objects", members=_DEVICE_REQUEST),
    "KernelMemory": _ZERO,
    "KernelMemoryTCP": _ZERO,
    "MemoryReservation": _ZERO,
    "MemorySwap": _ZERO,
    "MemorySwappiness": Field("int?"),
    "OomKillDisable": Field("bool?"),
    "PidsLimit": Field("int?"),
    "Ulimits": Field("objects", members={"Name": _TEXT, "Soft": _ZERO, "Hard": _ZERO}),
    "CpuCount": _ZERO,
    "CpuPercent": _ZERO,
    "IOMaximumIOps": _ZERO,
    "IOMaximumBandwidth": _ZERO,
    "Mounts": Field("objects", members=_MOUNT),
    "MaskedPaths": _WORDS,
    "ReadonlyPaths": _WORDS,
    "Init": Field("bool?"),
}

# Members that inspect leaves out when they are empty.
OPTIONAL = frozenset(
    {
        "Healthcheck", "ArgsEscaped", "ExposedPorts", "NetworkDisabled", "MacAddress", "StopSignal", "StopTimeout", "Shell",
        "Annotations", "StorageOpt", "Tmpfs", "Sysctls", "Init", "Mounts", "KernelMemory", "KernelMemoryTCP",
    }
)  # fmt: skip


def config(body: Mapping[str, object]) -> Config:
    """A create body's Config, complete. Raises InvalidParameter for a wrong JSON type."""
    return cast("Config", normalize(CONFIG, body, ""))


def host_config(body: Mapping[str, object]) -> HostConfig:
    """A HostConfig, complete. Raises InvalidParameter for a wrong JSON type."""
    return cast("HostConfig", normalize(HOST_CONFIG, body, "HostConfig"))


def shown(table: Mapping[str, Field], values: Config | HostConfig) -> dict[str, object]:
    """Values as inspect shows them: optional members are left out when they have nothing to say. Where nothing given is null
    (StopTimeout, Init), 0 and false say something."""
    return {
        name: values.get(name)
        for name, field in table.items()
        if name not in OPTIONAL
        or values.get(name) not in ((None,) if field.kind.endswith("?") else (None, "", 0, {}, [], False))
    }
