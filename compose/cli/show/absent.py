"""What a template prints for fields of inspected objects that are null or left out of the engine's JSON.

The docker CLI knows the types of the API's fields, so a null list prints ``[]``, a null map ``map[]`` and an omitted text
nothing, while a field that does not exist is an error. JSON has no types; these are the names of the fields where it
matters.
"""

from __future__ import annotations

from .govalues import Nil, TemplateError

_LISTS = frozenset(
    [
        "Aliases",
        "Args",
        "Binds",
        "BlkioDeviceReadBps",
        "BlkioDeviceReadIOps",
        "BlkioDeviceWriteBps",
        "BlkioDeviceWriteIOps",
        "BlkioWeightDevice",
        "CapAdd",
        "CapDrop",
        "Cmd",
        "Config",
        "DNSNames",
        "DeviceCgroupRules",
        "DeviceRequests",
        "Devices",
        "Dns",
        "DnsOptions",
        "DnsSearch",
        "Entrypoint",
        "Env",
        "ExecIDs",
        "ExtraHosts",
        "GroupAdd",
        "Layers",
        "Links",
        "LinkLocalIPs",
        "Log",
        "MaskedPaths",
        "Mounts",
        "OnBuild",
        "ReadonlyPaths",
        "RepoDigests",
        "RepoTags",
        "SecondaryIPAddresses",
        "SecondaryIPv6Addresses",
        "SecurityOpt",
        "Shell",
        "Test",
        "Ulimits",
        "VolumesFrom",
    ]
)
_MAPS = frozenset(
    [
        "Annotations",
        "AuxiliaryAddresses",
        "Containers",
        "DriverOpts",
        "ExposedPorts",
        "Labels",
        "Networks",
        "Options",
        "PortBindings",
        "Ports",
        "Status",
        "StorageOpt",
        "Sysctls",
        "Tmpfs",
        "Volumes",
    ]
)
_TEXTS = frozenset(
    [
        "Author",
        "Comment",
        "Container",
        "CreatedAt",
        "DockerVersion",
        "Gateway",
        "IPRange",
        "IPv4Address",
        "IPv6Address",
        "MacAddress",
        "Name",
        "OsVersion",
        "Parent",
        "Propagation",
        "Runtime",
        "StopSignal",
        "Subnet",
        "Variant",
    ]
)
_POINTERS = frozenset(
    [
        "BindOptions",
        "ConfigFrom",
        "Health",
        "Healthcheck",
        "IPAMConfig",
        "Init",
        "MemorySwappiness",
        "OomKillDisable",
        "PidsLimit",
        "SizeRootFs",
        "SizeRw",
        "StopTimeout",
        "TmpfsOptions",
        "UsageData",
        "VolumeOptions",
    ]
)


def absent(name: str, is_missing: bool) -> object:
    """The value of field ``name``. Raises `TemplateError` when there is no such field."""
    if name in _LISTS:
        return Nil("[]")
    if name in _MAPS:
        return Nil("map[]")
    if not is_missing or name in _POINTERS:
        return None
    if name in _TEXTS:
        return ""
    raise TemplateError(f'executing "" at <.{name}>: map has no entry for key "{name}"')


def listed(name: str, is_missing: bool) -> object:
    """The same for the rows of a listing, which have all their fields."""
    if is_missing:
        raise TemplateError(f'executing "" at <.{name}>: can\'t evaluate field {name}')
    if name == "Publishers":
        return Nil("[]")
    return None
