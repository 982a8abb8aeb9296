"""Containers as the Engine API shows them: inspect and the rows of a listing. Reads, never changes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...errors import EngineError, InvalidParameter
from ...networks.types import ContainerRef
from ...networks.zones import dns_names
from ...timestamps import rfc3339
from ..life.state import status_text
from ..spec import apparmor, confinement, fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...networks.bodies import EndpointSettings
    from ...networks.types import Endpoint, PortBinding
    from ..life.container import Container
    from ..life.service import Containers
    from ..spec import bodies
    from ..spec.confinement import Confinement
    from ..spec.record import MountPoint
    from ..spec.shown import (
        ContainerInspect,
        ContainerSummary,
        HealthShown,
        MainEndpoint,
        NetworkSettings,
        PortMap,
        PortShown,
        SummaryHost,
    )


def inspect(containers: Containers, container: Container, *, version: tuple[int, int]) -> ContainerInspect:
    """The body of GET /containers/{id}/json, without sizes."""
    record, layout = container.record, containers.layout
    spec = record.spec
    run, state = layout.container_run(record.id), layout.container_state(record.id)
    shares = spec.network.joins
    command = spec.command
    confined = _confined(container)
    shown = container.state.to_docker()
    if (health := health_of(container)) is not None:
        shown["Health"] = health
    host = fields.shown(fields.HOST_CONFIG, spec.host)
    host["Runtime"] = host["Runtime"] or "runc"  # what Docker calls the default; an explicit "runc" is the real one
    config = fields.shown(fields.CONFIG, spec.config)
    if record.pending:
        config = {**config, "Labels": dict(record.labels)}
    body: ContainerInspect = {
        "Id": record.id,
        "Created": rfc3339(record.created),
        "Path": command[0] if command else "",
        "Args": command[1:],
        "State": shown,
        "Image": record.image,
        "ResolvConfPath": "" if shares else str(run / "resolv.conf"),
        "HostnamePath": "" if shares else str(run / "hostname"),
        "HostsPath": "" if shares else str(run / "hosts"),
        "LogPath": str(state / "log") if spec.log.driver in ("json-file", "local") else "",
        "Name": f"/{record.name}",
        "RestartCount": container.state.restart_count,
        "Driver": "overlay2",
        "Platform": record.platform,
        "MountLabel": confined.file_label,
        "ProcessLabel": confined.label,
        "AppArmorProfile": confined.profile,
        "ExecIDs": [one.id for one in container.execs.values() if one.exit_code is None] or None,
        "HostConfig": host,
        "GraphDriver": {
            "Name": "overlay2",
            "Data": {
                "LowerDir": ":".join(str(path) for path in containers.lower(record)),
                "MergedDir": f"/proc/{container.state.pid}/root" if container.state.running else "",
                "UpperDir": str(state / "upper"),
                "WorkDir": str(state / "work"),
            },
        },
        "Mounts": mount_points(containers, container),
        "Config": config,
        "NetworkSettings": network_settings(containers, container, version=version),
    }
    if (described := containers.images.contents.of_platform(record.image)) is not None:
        body["ImageManifestDescriptor"] = described
    return body


def _confined(container: Container) -> Confinement:
    """What the kernel's security modules hold the container to; as Docker says it, once it has been started."""
    if container.state.started_at is None:
        return confinement.NOTHING
    modules, spec = apparmor.lately(), container.record.spec
    if not (modules.apparmor or modules.selinux):
        return confinement.NOTHING
    try:
        confined = confinement.decide(spec.security, modules, privileged=spec.privileged)
    except InvalidParameter:  # a module, or a policy, that was there and is not any more
        return confinement.NOTHING
    if modules.apparmor and not confined.profile:
        return replace(confined, profile=confinement.UNCONFINED)
    return confined


def health_of(container: Container) -> HealthShown | None:
    """State.Health: present when the container has a check (also before its first start)."""
    if container.health is not None:
        # What is not there any more is not healthy, whatever the last probe said.
        shown = container.health.to_docker()
        if not container.state.running:
            shown["Status"] = "unhealthy"
        return shown
    if container.record.spec.health is not None and container.state.running:
        return {"Status": "starting", "FailingStreak": 0, "Log": []}
    return None


def mount_points(containers: Containers, container: Container) -> list[bodies.MountPoint]:
    return [
        point.to_docker(_source(containers, point))
        for point in container.record.mounts
        if point.type != "tmpfs" or point.from_mounts
    ]


def _source(containers: Containers, point: MountPoint) -> str:
    if point.type == "volume":
        return str(containers.volumes.path(point.name))
    return point.source if point.type == "bind" else ""


def network_settings(containers: Containers, container: Container, *, version: tuple[int, int]) -> NetworkSettings:
    record = container.record
    known = endpoints(containers, container)
    networks = {
        name: _endpoint(containers, container, name, settings, known.get(name), version)
        for name, settings in record.spec.networks.items()
    }
    nowhere: EndpointSettings = {}
    return {
        "Bridge": "",
        "SandboxID": record.id if container.state.active else "",
        "SandboxKey": f"/proc/{container.state.pid}/ns/net" if container.state.running else "",
        "Ports": port_map(containers, container),
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        **_main_endpoint(networks.get("bridge", nowhere)),
        "Networks": networks,
    }


def _main_endpoint(endpoint: EndpointSettings) -> MainEndpoint:
    return {
        "Gateway": endpoint.get("Gateway", ""),
        "IPAddress": endpoint.get("IPAddress", ""),
        "IPPrefixLen": endpoint.get("IPPrefixLen", 0),
        "MacAddress": endpoint.get("MacAddress", ""),
        "EndpointID": endpoint.get("EndpointID", ""),
        "IPv6Gateway": endpoint.get("IPv6Gateway", ""),
        "GlobalIPv6Address": endpoint.get("GlobalIPv6Address", ""),
        "GlobalIPv6PrefixLen": endpoint.get("GlobalIPv6PrefixLen", 0),
    }


def endpoints(containers: Containers, container: Container) -> dict[str, Endpoint]:
    """The reserved endpoints, by the name (or id) the container asked for its network by."""
    found: dict[str, Endpoint] = {}
    if not container.state.active and container.shim is None:
        return found
    for endpoint in containers.networks.endpoints(container.id):
        for name in container.record.spec.networks:
            if name in (endpoint.network_name, endpoint.network_id) or (
                len(name) >= 4 and endpoint.network_id.startswith(name)
            ):
                found[name] = endpoint
    return found


def _endpoint(
    containers: Containers,
    container: Container,
    name: str,
    settings: EndpointSettings,
    endpoint: Endpoint | None,
    version: tuple[int, int],
) -> EndpointSettings:
    user_defined = name not in ("bridge", "host", "none")
    if endpoint is not None:
        shown = endpoint.to_docker()
        # What was given and is empty is shown as that: a template tells {} from null.
        shown["IPAMConfig"] = shown["IPAMConfig"] or settings.get("IPAMConfig")
        shown["Aliases"] = shown["Aliases"] or settings.get("Aliases")
        shown["DriverOpts"] = shown["DriverOpts"] or settings.get("DriverOpts")
    else:
        shown = {
            "IPAMConfig": settings.get("IPAMConfig"),
            "Links": settings.get("Links"),
            "Aliases": settings.get("Aliases"),
            "MacAddress": settings.get("MacAddress") or "",
            "DriverOpts": settings.get("DriverOpts"),
            "GwPriority": settings.get("GwPriority") or 0,
            "NetworkID": containers.network_id(name),
            "EndpointID": "",
            "Gateway": "",
            "IPAddress": "",
            "IPPrefixLen": 0,
            "IPv6Gateway": "",
            "GlobalIPv6Address": "",
            "GlobalIPv6PrefixLen": 0,
            "DNSNames": None,
        }
        if user_defined and container.state.started_at is not None:
            record = container.record
            itself = ContainerRef(record.id, record.name, record.spec.hostname)
            shown["DNSNames"] = list(dns_names(itself, settings.get("Aliases") or ()))
    short = container.id[:12]
    aliases = shown.get("Aliases") or ()
    if endpoint is not None and user_defined and version < (1, 45) and short not in aliases:
        shown["Aliases"] = [*aliases, short]
    return shown


def port_map(containers: Containers, container: Container) -> PortMap:
    """NetworkSettings.Ports: every exposed port, with its host addresses while the container has them."""
    record = container.record
    if not container.state.active:
        return {}
    result: PortMap = {}
    if not record.spec.network.is_host:
        for port in record.spec.exposed:
            result[port] = None
    for binding in containers.networks.published(record.id):
        entries = result.get(f"{binding.container_port}/{binding.protocol}") or []
        for address in _addresses(binding):
            entries.append({"HostIp": address, "HostPort": str(binding.host_port)})
        result[f"{binding.container_port}/{binding.protocol}"] = entries
    return result


def _addresses(binding: PortBinding) -> tuple[str, ...]:
    return (binding.host_ip,) if binding.host_ip else ("0.0.0.0", "::")


def summary(
    containers: Containers, container: Container, now: int, *, version: tuple[int, int], image_name: str
) -> ContainerSummary:
    """One row of GET /containers/json, without sizes."""
    record = container.record
    settings = network_settings(containers, container, version=version)
    shown: SummaryHost = {"NetworkMode": record.spec.host["NetworkMode"]}
    if annotations := record.spec.annotations:
        shown["Annotations"] = dict(annotations)
    health = container.health.status if container.health else None
    row: ContainerSummary = {
        "Id": record.id,
        "Names": [f"/{record.name}", *_link_names(containers, record.id)],
        "Image": image_name,
        "ImageID": record.image,
        "Command": command_text(record.spec.command),
        "Created": record.created // 1_000_000_000,
        "Ports": ports(containers, container),
        "Labels": dict(record.labels),
        "State": container.state.status,
        "Status": status_text(container.state, now, health),
        "HostConfig": shown,
        "NetworkSettings": {"Networks": {name: _brief(one) for name, one in settings["Networks"].items()}},
        "Mounts": mount_points(containers, container),
    }
    if (described := containers.images.contents.of_platform(record.image)) is not None:
        row["ImageManifestDescriptor"] = described
    return row


def _brief(endpoint: EndpointSettings) -> EndpointSettings:
    """An endpoint as listings have it: without what only matters inside its network."""
    shown: EndpointSettings = {**endpoint, "Links": None, "Aliases": None, "DriverOpts": None, "DNSNames": None}
    if addresses := endpoint.get("IPAMConfig"):
        kept = addresses.copy()
        kept.pop("LinkLocalIPs", None)
        shown["IPAMConfig"] = kept
    return shown


def _link_names(containers: Containers, id: str) -> list[str]:
    """The names by which other containers link to this one: ``/other/alias``."""
    names = []
    for other in containers:
        for link in other.record.spec.links:
            try:
                if containers.get(link.target).id == id:
                    names.append(f"/{other.name}/{link.alias or link.target.removeprefix('/')}")
            except EngineError:
                continue
    return names


def command_text(command: Sequence[str]) -> str:
    """The argv in one line, words with spaces quoted, as listings show it."""
    words = [f"'{word}'" if any(char.isspace() for char in word) else word for word in command[1:]]
    return " ".join([*command[:1], *words])


def ports(containers: Containers, container: Container) -> list[PortShown]:
    rows: list[PortShown] = []
    for port, bindings in port_map(containers, container).items():
        number, _, protocol = port.partition("/")
        low, _, high = number.partition("-")
        if bindings is None:
            rows += [{"PrivatePort": one, "Type": protocol} for one in range(int(low), int(high or low) + 1)]
            continue
        rows += [
            {
                "IP": entry.get("HostIp", ""),
                "PrivatePort": int(low),
                "PublicPort": int(entry.get("HostPort", "0")),
                "Type": protocol,
            }
            for entry in bindings
        ]
    return rows
