"""Reserving endpoints: which networks a container may join together, and the name and addresses it gets on each. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, NamedTuple

from ..errors import Forbidden, InvalidParameter
from . import drivers, ipam
from .types import CONTAINER_PREFIX, Endpoint
from .zones import dns_names

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from .bodies import EndpointIpam, Requested
    from .types import ContainerRef, EndpointRequest, Network

_LINK_NAME = re.compile(r"[^/\s:]{1,15}")


def check_together(networks: Sequence[Network]) -> None:
    """Raise when these networks cannot be joined by one container: host and none stand alone, and each only once."""
    if len(networks) > 1:
        for network in networks:
            if alone := drivers.of(network).alone:
                raise InvalidParameter(alone)
    seen = set()
    for network in networks:
        if network.id in seen:
            raise InvalidParameter(f"network {network.name} is listed twice")
        seen.add(network.id)


def check_request(network: Network, request: EndpointRequest) -> None:
    """Raise for a request that the network's kind does not allow."""
    if network.config_only:
        raise Forbidden(f"cannot create endpoint on configuration-only network {network.name}")
    if not network.user_defined:
        if request.aliases:
            raise InvalidParameter("network-scoped alias is supported only for containers in user defined networks")
        if request.ipv4_address or request.ipv6_address:
            raise InvalidParameter("user specified IP address is supported on user defined networks only")
    elif network.chosen and (request.ipv4_address or request.ipv6_address):
        raise InvalidParameter(
            "user specified IP address is supported only when connecting to networks with user configured subnets"
        )
    for version, text in ((4, request.ipv4_address), (6, request.ipv6_address)):
        if not text:
            continue
        try:
            given = ip_address(text)
        except ValueError as error:
            raise InvalidParameter(f"invalid IPv{version} address: {text}") from error
        if given.version != version:
            raise InvalidParameter(f"invalid IPv{version} address: {text}")
        if network.pool(version) is None:
            raise InvalidParameter(f"network {network.name} has no IPv{version} subnet for address {text}")
    for text in request.link_local_ips:
        try:
            ip_address(text)
        except ValueError as error:
            raise InvalidParameter(f"invalid link-local IP address: {text}") from error
    if request.interface_name and not _LINK_NAME.fullmatch(request.interface_name):
        raise InvalidParameter(f"invalid interface name {request.interface_name}: it has 1 to 15 characters")


class Fresh(NamedTuple):
    """What is an endpoint's alone: its id, the name of its link on the host, and its place among all."""

    id: str
    veth: str
    position: int


def reserve(
    network: Network,
    container: ContainerRef,
    request: EndpointRequest,
    own: Fresh,
    used: Collection[str],
    taken_names: Collection[str],
) -> Endpoint:
    """The endpoint a request becomes. ``used`` are the network's addresses in use, ``taken_names`` the container's links.

    Raises Forbidden or InvalidParameter when an address or name cannot be had.
    """
    check_request(network, request)
    driver = drivers.of(network)
    endpoint = Endpoint(
        id=own.id,
        network_id=network.id,
        network_name=network.name,
        container=container,
        driver=network.driver,
        aliases=request.aliases,
        links=request.links,
        priority=request.priority,
        gw_priority=request.gw_priority,
        requested=_as_requested(request),
        driver_opts=dict(request.driver_opts),
        position=own.position,
    )
    if not driver.has_links:
        return endpoint
    if (pool := network.pool(4)) is not None:
        endpoint = replace(
            endpoint,
            ipv4_address=ipam.allocate(pool, used, request.ipv4_address),
            ipv4_prefix=ip_network(pool.subnet).prefixlen,
            ipv4_gateway="" if network.internal else pool.gateway,
        )
    if (pool := network.pool(6)) is not None:
        endpoint = replace(
            endpoint,
            ipv6_address=ipam.allocate(pool, used, request.ipv6_address),
            ipv6_prefix=ip_network(pool.subnet).prefixlen,
            ipv6_gateway="" if network.internal else pool.gateway,
        )
    if request.mac_address:
        mac = ipam.check_mac(request.mac_address)
    else:
        mac = ipam.mac_of(endpoint.ipv4_address) if endpoint.ipv4_address else ipam.mac_from(own.id)
    return replace(
        endpoint,
        mac_address=mac if driver.has_mac else "",
        ifname=_link_name(network, request, taken_names),
        veth=own.veth if driver.has_peer else "",
        link_local_ips=request.link_local_ips,
        dns_names=dns_names(container, request.aliases) if network.user_defined else (),
    )


def _link_name(network: Network, request: EndpointRequest, taken: Collection[str]) -> str:
    if request.interface_name:
        if request.interface_name in taken or request.interface_name == "lo":
            raise Forbidden(f"interface name {request.interface_name} is already in use in the container")
        return request.interface_name
    prefix = network.options.get(CONTAINER_PREFIX) or "eth"
    return next(name for name in (f"{prefix}{number}" for number in range(len(taken) + 1)) if name not in taken)


def _as_requested(request: EndpointRequest) -> Requested:
    """The IPAMConfig of inspect: only what the client gave."""
    config: EndpointIpam = {}
    if request.ipv4_address:
        config["IPv4Address"] = request.ipv4_address
    if request.ipv6_address:
        config["IPv6Address"] = request.ipv6_address
    if request.link_local_ips:
        config["LinkLocalIPs"] = list(request.link_local_ips)
    return {"IPAMConfig": config or None, "MacAddress": request.mac_address}
