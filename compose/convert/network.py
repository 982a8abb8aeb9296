"""The body of POST /networks/create for a top-level network, and the endpoint settings of a service on its networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..labels import COMPATIBLE_VERSION, NETWORK, PROJECT, VERSION, network_name
from .values import pairs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model import Project


def network_body(project: Project, key: str) -> dict[str, Any]:
    tree: Mapping[str, Any] = project.networks[key] or {}
    labels = {
        **pairs(tree.get("labels")),
        NETWORK: key,
        PROJECT: project.name,
        VERSION: COMPATIBLE_VERSION,
    }
    body: dict[str, Any] = {
        "Name": network_name(project, key),
        "CheckDuplicate": True,
        "Driver": tree.get("driver") or "bridge",
        "Options": {name: str(value) for name, value in (tree.get("driver_opts") or {}).items()},
        "Internal": bool(tree.get("internal")),
        "Attachable": bool(tree.get("attachable")),
        "EnableIPv6": bool(tree.get("enable_ipv6")),
        "Labels": {name: str(value) for name, value in labels.items()},
    }
    if tree.get("enable_ipv4") is not None:
        body["EnableIPv4"] = bool(tree["enable_ipv4"])
    ipam = tree.get("ipam") or {}
    if ipam:
        body["IPAM"] = {
            "Driver": ipam.get("driver") or "default",
            "Config": [_pool(pool) for pool in ipam.get("config") or ()],
            "Options": dict(ipam.get("options") or {}),
        }
    return body


def _pool(pool: Mapping[str, Any]) -> dict[str, Any]:
    names = (
        ("subnet", "Subnet"),
        ("ip_range", "IPRange"),
        ("gateway", "Gateway"),
        ("aux_addresses", "AuxiliaryAddresses"),
    )
    return {api: pool[key] for key, api in names if pool.get(key)}


def service_networks(service: Mapping[str, Any]) -> list[str]:
    """The keys of the service's networks, the one that gives the default route first."""
    networks = service.get("networks") or {}

    def rank(key: str) -> tuple[int, int, str]:
        settings = networks[key] or {}
        return -int(settings.get("gw_priority") or 0), -int(settings.get("priority") or 0), key

    return sorted(networks, key=rank)


def endpoint_settings(
    service: Mapping[str, Any], key: str, aliases: list[str], links: list[str], api: tuple[int, int]
) -> dict[str, Any]:
    """EndpointSettings of the service on network ``key``; ``api`` decides which fields the engine knows."""
    settings: Mapping[str, Any] = (service.get("networks") or {}).get(key) or {}
    body: dict[str, Any] = {"Aliases": [*aliases, *(settings.get("aliases") or ())]}
    if links:
        body["Links"] = links
    addresses = {
        name: settings[source]
        for source, name in (
            ("ipv4_address", "IPv4Address"),
            ("ipv6_address", "IPv6Address"),
            ("link_local_ips", "LinkLocalIPs"),
        )
        if settings.get(source)
    }
    if addresses:
        body["IPAMConfig"] = addresses
    options = {name: str(value) for name, value in (settings.get("driver_opts") or {}).items()}
    if settings.get("interface_name"):
        options["com.docker.network.endpoint.ifname"] = settings["interface_name"]
    if options:
        body["DriverOpts"] = options
    mac = settings.get("mac_address")
    if mac and api >= (1, 44):
        body["MacAddress"] = mac
    if settings.get("gw_priority"):
        body["GwPriority"] = int(settings["gw_priority"])
    return body
