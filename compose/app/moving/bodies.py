"""What an engine shows of a network or container as the request that makes it on another one. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from ...labels import KEPT_VOLUMES
from .inventory import BUILT_IN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...client.bodies.containers import Container, EndpointSettings, MountPoint
    from ...client.bodies.networks import Network

    Fields = dict[str, object]

_LEFT = frozenset(
    {
        *(
            "Annotations",
            "CgroupMode",
            "Cgroups",
            "ConsoleSize",
            "ContainerIDFile",
            "Isolation",
            "Runtime",
            "VolumesFrom",
        ),
        *("Links", "IOMaximumBandwidth", "IOMaximumIOps", "CpuCount", "CpuPercent", "ReservedMemory", "KernelMemory"),
    }
)
"""Of HostConfig: what belongs to the machine or runtime it ran on, and what the mounts and endpoints say already."""

_LOGS = frozenset({"json-file", "local", "syslog", "none"})
_VOLUME_WORDS = frozenset({"ro", "rw", "z", "Z", "nocopy"})
_BIND_WORDS = frozenset({"shared", "rshared", "slave", "rslave", "private", "rprivate"})
_PODMAN_LIMIT = 1 << 20
"""Of files and processes, which podman shows as if it had been asked for."""

_SHARING = ("NetworkMode", "PidMode", "IpcMode")


class Draft(NamedTuple):
    """A request of creation: ``config`` and ``host`` as one sends them, ``endpoints`` by the network's name; ``kept`` are anonymous
    volumes; ``notes`` what is not as it was."""

    config: Fields
    host: Fields
    endpoints: dict[str, Fields]
    kept: tuple[str, ...]
    notes: tuple[str, ...]


def network_body(network: Network, *, addressed: bool) -> Fields:
    """``addressed``: with its subnets, for some container has a fixed address in them; else the target chooses, since those
    of the source are taken while both engines run."""
    ipam = network.get("IPAM") or {}
    pools = [{key: value for key, value in pool.items() if value} for pool in ipam.get("Config") or ()]
    return {
        "Name": network["Name"],
        "Driver": network.get("Driver") or "bridge",
        "Internal": bool(network.get("Internal")),
        "Attachable": bool(network.get("Attachable")),
        "EnableIPv6": bool(network.get("EnableIPv6")),
        "Options": dict(network.get("Options") or {}),
        "Labels": dict(network.get("Labels") or {}),
        "IPAM": {
            "Driver": ipam.get("Driver") or "default",
            "Options": dict(ipam.get("Options") or {}),
            "Config": pools if addressed else [],
        },
    }


def has_fixed_address(container: Container, network: str) -> bool:
    endpoint = (container["NetworkSettings"].get("Networks") or {}).get(network) or {}
    wanted = endpoint.get("IPAMConfig") or {}
    return bool(wanted.get("IPv4Address") or wanted.get("IPv6Address"))


def neighbours(container: Container) -> list[str]:
    """Ids or names of the containers whose namespaces it shares: they are made before it."""
    host = cast("Mapping[str, object]", container.get("HostConfig") or {})
    return [mode.partition(":")[2] for key in _SHARING if (mode := str(host.get(key) or "")).startswith("container:")]


def draft(container: Container, image: str, known: Mapping[str, str]) -> Draft:
    """``image`` is the target's reference; ``known`` has, for ids and names at the source, the container's id at the target."""
    config, notes = dict(cast("Fields", container["Config"])), []
    short = container["Id"][:12]
    config["Image"] = image
    for name in ("Hostname", "MacAddress"):
        if config.get(name) in (short, "", None) or name == "MacAddress":
            config.pop(name, None)
    host = {key: value for key, value in cast("Fields", container["HostConfig"]).items() if key not in _LEFT}
    _translate(host)
    for key in _SHARING:
        mode = str(host.get(key) or "")
        if mode.startswith("container:"):
            other = mode.partition(":")[2]
            host[key] = f"container:{known.get(other, other)}"
            config.pop("Hostname", None)
            config.pop("ExposedPorts", None)
    log = cast("Fields", host.get("LogConfig") or {})
    if log.get("Type") not in _LOGS:
        if log.get("Type"):
            notes.append(f"logs go to the default driver, not to {log['Type']}")
        host.pop("LogConfig", None)
    endpoints = _endpoints(container, host, short)
    kept, mounts = _named(container, host)
    if mounts:
        host["Mounts"] = [*cast("list[object]", host["Mounts"]), *mounts]
    if kept:
        tags = container["Config"].get("Labels") or {}
        every = {*kept, *filter(None, tags.get(KEPT_VOLUMES, "").split(","))}
        config["Labels"] = {**tags, KEPT_VOLUMES: ",".join(sorted(every))}
    return Draft(config, host, endpoints, kept, tuple(notes))


def _translate(host: Fields) -> None:
    """podman's words into Docker's."""
    for key in ("UTSMode", "PidMode"):
        if host.get(key) == "private":
            host.pop(key)
    limits = cast("list[Fields] | None", host.get("Ulimits")) or []
    host["Ulimits"] = [
        {**one, "Name": str(one.get("Name")).removeprefix("RLIMIT_").lower()}
        for one in limits
        if not (str(one.get("Name")).startswith("RLIMIT_") and one.get("Hard") == one.get("Soft") == _PODMAN_LIMIT)
    ]


def _endpoints(container: Container, host: Fields, short: str) -> dict[str, Fields]:
    mode = str(host.get("NetworkMode") or "default")
    found = container["NetworkSettings"].get("Networks") or {}
    if mode in ("host", "none") or mode.startswith("container:"):
        return {}
    ids = {one["NetworkID"]: name for name, one in found.items() if one and one.get("NetworkID")}
    host["NetworkMode"] = mode = ids.get(mode, mode)
    links = [link for link in cast("Mapping[str, list[str] | None]", container["HostConfig"]).get("Links") or ()]
    if links:
        # /target:/container/alias, as inspect has it
        host["Links"] = [f"{one.split(':')[0].lstrip('/')}:{one.rpartition('/')[2]}" for one in links]
    if mode in BUILT_IN - {"host", "none"} or mode == "slirp4netns":
        host["NetworkMode"] = "default"
    return {name: _endpoint(one or {}, short) for name, one in found.items() if name not in BUILT_IN}


def _endpoint(settings: EndpointSettings, short: str) -> Fields:
    aliases = [alias for alias in settings.get("Aliases") or () if alias != short]
    wanted = {key: value for key, value in (settings.get("IPAMConfig") or {}).items() if value}
    fields: Fields = {
        "Aliases": aliases,
        "IPAMConfig": wanted,
        "Links": settings.get("Links"),
        "DriverOpts": settings.get("DriverOpts"),
        "GwPriority": settings.get("GwPriority"),
    }
    return {key: value for key, value in fields.items() if value}


def _named(container: Container, host: Fields) -> tuple[tuple[str, ...], list[Fields]]:
    """Anonymous volumes of the container, and the mounts that give it these instead of new ones, and what it had of others'."""
    binds = [_bind(bind) for bind in cast("list[str] | None", host.get("Binds")) or () if ":" in bind]
    asked = cast("list[Fields] | None", host.get("Mounts")) or []
    stay = [one for one in asked if one.get("Source") or one.get("Type") != "volume"]
    told = {bind.split(":")[1] for bind in binds} | {str(one.get("Target")) for one in stay}
    host["Binds"], host["Mounts"] = binds, stay
    points = [one for one in container.get("Mounts") or () if one["Destination"] not in told]
    anonymous = tuple(one["Name"] for one in points if one.get("Type") == "volume" and one.get("Name"))
    return anonymous, [_mount(one) for one in points if one.get("Type") in ("volume", "bind")]


def _bind(bind: str) -> str:
    """Without the mount options that podman adds, which Docker's short form does not know."""
    source, target, mode = [*bind.split(":", 2), "", ""][:3]
    known = _VOLUME_WORDS if not source.startswith("/") else _VOLUME_WORDS | _BIND_WORDS
    words = [word for word in mode.split(",") if word in known]
    return ":".join(filter(None, (source, target, ",".join(words))))


def _mount(point: MountPoint) -> Fields:
    source = point["Name"] if point["Type"] == "volume" else point["Source"]
    return {
        "Type": point["Type"],
        "Source": source,
        "Target": point["Destination"],
        "ReadOnly": not point.get("RW", True),
    }
