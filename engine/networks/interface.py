"""A link inside a container's namespace: its settings, addresses and the default routes. Runs on a thread that is already
inside (inside.py), so that sysctls land there too.

The link is created down. Its IPv6 settings come first, then addresses, then "up": with arp_notify on, the kernel itself
announces the addresses (gratuitous ARP) at that moment, and neighbours forget an earlier owner.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..errors import InvalidParameter
from . import identities, links
from .inside import write_sysctl, write_sysctls
from .netlink import Netlink, NetlinkError
from .types import ENDPOINT_SYSCTLS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .identities import Neighbour
    from .netlink import Request
    from .types import Endpoint

_IPV6 = Path("/proc/sys/net/ipv6")
_OF_IPV4 = (("arp_notify", "1"), ("accept_redirects", "0"))
"""A neighbour that says it knows a better way out would be on it."""


@dataclass(frozen=True, slots=True)
class DefaultRoute:
    """A default route by link name."""

    ifname: str
    gateway: str


def default_routes(endpoints: Iterable[Endpoint]) -> tuple[DefaultRoute, ...]:
    """The default routes of a container: for each IP version through the endpoint of the highest gw_priority, the first
    network by name among equals. Endpoints of internal networks have no gateway and never win."""
    ranked = sorted(endpoints, key=lambda endpoint: (-endpoint.gw_priority, endpoint.network_name))
    ipv4 = [DefaultRoute(endpoint.ifname, endpoint.ipv4_gateway) for endpoint in ranked if endpoint.ipv4_gateway]
    ipv6 = [DefaultRoute(endpoint.ifname, endpoint.ipv6_gateway) for endpoint in ranked if endpoint.ipv6_gateway]
    return (*ipv4[:1], *ipv6[:1])


def configure(
    rtnl_fd: int | None,
    endpoints: Sequence[Endpoint],
    add: Iterable[DefaultRoute],
    remove: Iterable[DefaultRoute] = (),
    renames: Iterable[tuple[str, str]] = (),
    known: Mapping[str, Sequence[Neighbour]] = MappingProxyType({}),
) -> None:
    """Give links their final names (``renames``: from, to), configure those of ``endpoints`` with the neighbours ``known`` behind
    each, and change default routes.
    ``rtnl_fd`` is a netlink socket of this namespace (None: make one). Raises NetlinkError or EngineError naming the
    operation."""
    with Netlink(fd=rtnl_fd) as netlink:
        for before, after in renames:
            try:
                netlink.run([links.rename(index_of(netlink, before), before, after)])
            except NetlinkError:
                netlink.run([links.delete_link(before)])
                raise
        requests: list[Request] = []
        for endpoint in endpoints:
            index = index_of(netlink, endpoint.ifname)
            write_sysctls(_settings(endpoint))
            requests += [links.add_address(index, address, prefix) for address, prefix in _addresses(endpoint)]
            requests.append(links.set_up(endpoint.ifname))
            requests += identities.bind(index, known.get(endpoint.ifname, ()))
        requests += [links.delete_default_route(index_of(netlink, route.ifname), route.gateway) for route in remove]
        requests += [links.add_default_route(index_of(netlink, route.ifname), route.gateway) for route in add]
        netlink.run(requests)
        for endpoint in endpoints:
            for name, value in endpoint_sysctls(endpoint.driver_opts, endpoint.ifname):
                write_sysctl(name, value)


def _addresses(endpoint: Endpoint) -> list[tuple[str, int]]:
    both = ((endpoint.ipv4_address, endpoint.ipv4_prefix), (endpoint.ipv6_address, endpoint.ipv6_prefix))
    local = [(address, 64 if ":" in address else 16) for address in endpoint.link_local_ips]
    return [(address, prefix) for address, prefix in both if address] + local


def delete(rtnl_fd: int | None, ifname: str, add: Iterable[DefaultRoute]) -> None:
    """Take one link away and put the default route elsewhere."""
    with Netlink(fd=rtnl_fd) as netlink:
        netlink.run([links.delete_link(ifname)])
        netlink.run([links.add_default_route(index_of(netlink, route.ifname), route.gateway) for route in add])


def delete_all(names: Iterable[str]) -> None:
    """Take links away, those that are there."""
    with Netlink() as netlink:
        netlink.run([links.delete_link(name) for name in names])


def index_of(netlink: Netlink, ifname: str) -> int:
    index = links.index_of(netlink.fileno(), ifname)
    if index == 0:
        raise NetlinkError(f"look up link {ifname}", errno.ENODEV)
    return index


def _settings(endpoint: Endpoint) -> dict[str, str]:
    settings = {f"net/ipv4/conf/{endpoint.ifname}/{name}": value for name, value in _OF_IPV4}
    if _IPV6.exists():
        base = f"net/ipv6/conf/{endpoint.ifname}"
        if endpoint.ipv6_address:
            settings |= {f"{base}/disable_ipv6": "0", f"{base}/accept_dad": "0", f"{base}/accept_ra": "0",
                         f"{base}/accept_redirects": "0", f"{base}/ndisc_notify": "1"}  # fmt: skip
        else:
            settings[f"{base}/disable_ipv6"] = "1"
    return settings


def endpoint_sysctls(options: Mapping[str, str], ifname: str = "") -> list[tuple[str, str]]:
    """Settings asked for by an endpoint's driver option: "net.ipv4.conf.IFNAME.log_martians=1,…", as paths. The docker command
    makes IFNAME small, so either counts. Raises InvalidParameter."""
    settings = []
    for item in filter(None, map(str.strip, options.get(ENDPOINT_SYSCTLS, "").split(","))):
        name, equals, value = item.partition("=")
        parts = name.split(".")
        if not (
            equals
            and len(parts) == 5
            and parts[:2] in (["net", "ipv4"], ["net", "ipv6"], ["net", "mpls"])
            and parts[3].upper() == "IFNAME"
            and not any(not part or "/" in part for part in parts)
        ):
            raise InvalidParameter(
                f"unrecognised network interface sysctl '{item}'; write it as 'net.X.Y.IFNAME.Z=V', where X is ipv4, ipv6 or mpls"
            )
        parts[3] = ifname
        settings.append(("/".join(parts), value))
    return settings
