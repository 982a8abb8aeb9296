"""Networks as the Docker Engine API shows and filters them. Pure."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from ..errors import InvalidParameter
from ..shapes import name_matches, truth
from ..timestamps import parse_rfc3339, parse_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from .bodies import NetworkInspect, NetworkStatus, Occupancy
    from .types import Endpoint, Network, Pool

_LIST_FILTERS = {"driver", "id", "label", "name", "scope", "type", "dangling", "idOrName"}
_PRUNE_FILTERS = {"until", "label", "label!"}


def to_docker(network: Network, endpoints: Iterable[Endpoint] = ()) -> NetworkInspect:
    """Docker's Network resource, with the containers that are attached now."""
    attached = list(endpoints)
    status: NetworkStatus = {
        "IPAM": {"Subnets": {pool.subnet: _occupancy(pool, attached) for pool in network.pools if pool.subnet}}
    }
    return {
        "Name": network.name,
        "Id": network.id,
        "Created": network.created,
        "Scope": network.scope,
        "Driver": network.driver,
        "EnableIPv4": network.enable_ipv4,
        "EnableIPv6": network.enable_ipv6,
        "IPAM": {
            "Driver": network.ipam_driver,
            "Options": None if network.ipam_options is None else dict(network.ipam_options),
            "Config": [pool.to_docker() for pool in network.pools],
        },
        "Internal": network.internal,
        "Attachable": network.attachable,
        "Ingress": network.ingress,
        "ConfigFrom": {"Network": network.config_from},
        "ConfigOnly": network.config_only,
        "Containers": {
            endpoint.container.id: {
                "Name": endpoint.container.name,
                "EndpointID": endpoint.id,
                "MacAddress": endpoint.mac_address,
                "IPv4Address": f"{endpoint.ipv4_address}/{endpoint.ipv4_prefix}" if endpoint.ipv4_address else "",
                "IPv6Address": f"{endpoint.ipv6_address}/{endpoint.ipv6_prefix}" if endpoint.ipv6_address else "",
            }
            for endpoint in attached
            if endpoint.attached
        },
        "Options": dict(network.options),
        "Labels": dict(network.labels),
        "Status": status,
    }


def _occupancy(pool: Pool, attached: Iterable[Endpoint]) -> Occupancy:
    """How many addresses of a subnet are taken, and how many are left for those that ask for none."""
    subnet = ip_network(pool.subnet)
    taken = {pool.gateway, *pool.aux_addresses.values()}
    taken |= {address for one in attached for address in (one.ipv4_address, one.ipv6_address) if address}
    edges = [subnet.network_address, *([subnet.broadcast_address] if subnet.version == 4 else [])]
    unusable = {str(edge) for edge in edges if subnet.num_addresses > 2}
    used = {ip_address(text) for text in {*taken, *unusable} if text}
    section = ip_network(pool.ip_range) if pool.ip_range else subnet
    return {
        "IPsInUse": sum(address in subnet for address in used),
        "DynamicIPsAvailable": min(section.num_addresses - sum(address in section for address in used), 2**64 - 1),
    }


def matches(network: Network, filters: Mapping[str, Sequence[str]], in_use: bool) -> bool:
    """Whether a network passes Docker's list filters: values of one filter are alternatives, labels all count.

    Raises InvalidParameter for an unknown filter or value.
    """
    for name in filters:
        if name not in _LIST_FILTERS:
            raise InvalidParameter(f"invalid filter '{name}'")
    if len(filters.get("dangling") or ()) > 1:
        raise InvalidParameter('got more than one value for filter key "dangling"')
    for value in filters.get("type") or ():
        _is_type(network, value)
    checks: dict[str, Callable[[str], bool]] = {
        "driver": lambda value: network.driver == value,
        "id": lambda value: network.id.startswith(value),
        "name": lambda value: name_matches(network.name, value),
        "idOrName": lambda value: network.id.startswith(value) or value == network.name,
        "scope": lambda value: network.scope == value,
        "type": lambda value: _is_type(network, value),
        "dangling": lambda value: truth("dangling", [value]) == (not in_use and not network.predefined),
    }
    for name, check in checks.items():
        values = filters.get(name)
        if values and not any([check(value) for value in values]):
            return False
    return all(has_label(network, label) for label in filters.get("label") or ())


def check_prune(filters: Mapping[str, Sequence[str]]) -> None:
    """Raises InvalidParameter for a filter that prune has not."""
    for name in filters:
        if name not in _PRUNE_FILTERS:
            raise InvalidParameter(f"invalid filter '{name}'")
    until = filters.get("until") or ()
    if len(until) > 1:
        raise InvalidParameter("more than one until filter specified")
    for value in until:
        parse_time(value, 0)


def prunable(network: Network, filters: Mapping[str, Sequence[str]], now: int) -> bool:
    """Whether Docker's prune filters let an unused network go. A template stays: that nobody is on it says nothing."""
    if network.config_only:
        return False
    until = [parse_time(value, now) for value in filters.get("until") or ()]
    if until and (parse_rfc3339(network.created) or 0) >= until[0]:
        return False
    if not all(has_label(network, label) for label in filters.get("label") or ()):
        return False
    return not any(has_label(network, label) for label in filters.get("label!") or ())


def has_label(network: Network, wanted: str) -> bool:
    key, equals, value = wanted.partition("=")
    return key in network.labels and (not equals or network.labels[key] == value)


def _is_type(network: Network, value: str) -> bool:
    if value not in ("custom", "builtin"):
        raise InvalidParameter(f"invalid filter: 'type'='{value}'")
    return network.predefined == (value == "builtin")
