"""The body of POST /networks/create for a top-level network, and the endpoint settings of a service on its networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..labels import COMPATIBLE_VERSION, NETWORK, PROJECT, VERSION, network_name

if TYPE_CHECKING:
    from ..model import Project
    from ..model import resources as model
    from ..model.service import Service, ServiceNetwork
    from .bodies import EndpointAddresses, EndpointSettings, IpamPool, NetworkBody


def network_body(project: Project, key: str) -> NetworkBody:
    tree = project.networks[key] or {}
    body: NetworkBody = {
        "Name": network_name(project, key),
        "CheckDuplicate": True,
        "Driver": tree.get("driver") or "bridge",
        "Options": dict(tree.get("driver_opts") or {}),
        "Internal": bool(tree.get("internal")),
        "Attachable": bool(tree.get("attachable")),
        "EnableIPv6": bool(tree.get("enable_ipv6")),
        "Labels": {
            **(tree.get("labels") or {}),
            NETWORK: key,
            PROJECT: project.name,
            VERSION: COMPATIBLE_VERSION,
        },
    }
    if tree.get("enable_ipv4") is not None:
        body["EnableIPv4"] = bool(tree["enable_ipv4"])
    ipam = tree.get("ipam")
    if ipam:
        body["IPAM"] = {
            "Driver": ipam.get("driver") or "default",
            "Config": [_pool(pool) for pool in ipam.get("config") or ()],
            "Options": {},
        }
    return body


def _pool(pool: model.IpamPool) -> IpamPool:
    body: IpamPool = {}
    if pool.get("subnet"):
        body["Subnet"] = pool["subnet"]
    if pool.get("ip_range"):
        body["IPRange"] = pool["ip_range"]
    if pool.get("gateway"):
        body["Gateway"] = pool["gateway"]
    if pool.get("aux_addresses"):
        body["AuxiliaryAddresses"] = pool["aux_addresses"]
    return body


def service_networks(service: Service) -> list[str]:
    """The keys of the service's networks, the one that gives the default route first."""
    networks = service.get("networks") or {}

    def rank(key: str) -> tuple[int, int, str]:
        settings = networks[key] or {}
        return -(settings.get("gw_priority") or 0), -(settings.get("priority") or 0), key

    return sorted(networks, key=rank)


def endpoint_settings(
    settings: ServiceNetwork, aliases: list[str], links: list[str], api: tuple[int, int]
) -> EndpointSettings:
    """EndpointSettings of a service with these ``settings`` on a network; ``api`` decides which fields the engine knows."""
    body: EndpointSettings = {"Aliases": [*aliases, *(settings.get("aliases") or ())]}
    if links:
        body["Links"] = links
    addresses = _addresses(settings)
    if addresses:
        body["IPAMConfig"] = addresses
    options = dict(settings.get("driver_opts") or {})
    if settings.get("interface_name"):
        options["com.docker.network.endpoint.ifname"] = settings["interface_name"]
    if options:
        body["DriverOpts"] = options
    mac = settings.get("mac_address")
    if mac and api >= (1, 44):
        body["MacAddress"] = mac
    if settings.get("gw_priority"):
        body["GwPriority"] = settings["gw_priority"]
    return body


def _addresses(settings: ServiceNetwork) -> EndpointAddresses:
    found: EndpointAddresses = {}
    if settings.get("ipv4_address"):
        found["IPv4Address"] = settings["ipv4_address"]
    if settings.get("ipv6_address"):
        found["IPv6Address"] = settings["ipv6_address"]
    if settings.get("link_local_ips"):
        found["LinkLocalIPs"] = settings["link_local_ips"]
    return found
