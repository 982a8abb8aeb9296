"""The bridge driver: one Linux bridge per network, a veth pair per endpoint created straight into the container's
namespace. Nothing here deletes veth pairs of ended containers: the kernel drops them with the namespace, all at once.
"""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import EngineError, InvalidParameter
from .. import identities, links
from ..inside import write_sysctl
from ..ipam import mac_from
from ..types import BRIDGE_NAME, DRIVER_MTU
from .driver import Driver, Plugged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..netlink import Netlink, Request
    from ..types import Endpoint, Network

_LINK_NAME = re.compile(r"[^/\s:]{1,15}")
_IPV6 = Path("/proc/sys/net/ipv6/conf")


def bring_up(netlink: Netlink, network: Network) -> None:
    """Make the network's bridge exist with its addresses and settings, and no other addresses; its MTU is the uplink's
    unless the network says otherwise. Repeating it repairs."""
    name = network.bridge
    ipv6 = network.pool(6) is not None
    found = links.index_of(netlink.fileno(), name)
    if not found:
        mtu = int(network.options.get(DRIVER_MTU) or links.uplink_mtu(netlink))
        netlink.run([links.add_bridge(name, mac_from(network.id), mtu)])
    index = links.index_of(netlink.fileno(), name)
    settings = {f"net/ipv4/conf/{name}/route_localnet": "1"}
    if not network.adopted:
        # A source address that does not lead back to this bridge is a forgery, and so is a better way.
        settings |= {f"net/ipv4/conf/{name}/rp_filter": "1", f"net/ipv4/conf/{name}/accept_redirects": "0"}
    if _IPV6.exists():
        settings |= {f"net/ipv6/conf/{name}/disable_ipv6": str(int(not ipv6))}
        if ipv6:
            settings |= {f"net/ipv6/conf/{name}/accept_ra": "0", f"net/ipv6/conf/{name}/accept_dad": "0"}
            settings[f"net/ipv6/conf/{name}/accept_redirects"] = "0"
    for path, value in settings.items():
        write_sysctl(path, value)
    pools = [pool for pool in (network.pool(4), network.pool(6)) if pool is not None]
    wanted = {(pool.gateway, ip_network(pool.subnet).prefixlen) for pool in pools}
    requests = [links.set_up(name)]
    if found and not network.adopted:
        stale = [one for one in links.addresses_of(netlink, index) if one not in wanted]
        requests += [links.delete_address(index, *one) for one in stale]
    requests += [links.add_address(index, *one) for one in sorted(wanted)]
    netlink.run(requests)


def enable_forwarding(netlink: Netlink, *, ipv6: bool) -> None:
    """Let the host route. As with Docker it stays on afterwards: others may have come to rely on it.

    IPv6 forwarding makes the kernel ignore router advertisements where ``accept_ra`` is 1; links that lead out go to 2.
    No other link does: behind another engine's bridge a container would become the host's router (CVE-2020-13401).
    """
    _switch_on("net/ipv4/ip_forward")
    if ipv6 and _IPV6.exists() and (_IPV6 / "all/forwarding").read_text().strip() != "1":
        for name in links.outward_links(links.all_links(netlink), links.default_links(netlink)):
            setting = _IPV6 / name / "accept_ra"
            if setting.exists() and setting.read_text().strip() == "1":
                write_sysctl(f"net/ipv6/conf/{name}/accept_ra", "2")
        _switch_on("net/ipv6/conf/all/forwarding")


def _switch_on(name: str) -> None:
    if Path("/proc/sys", name).read_text().strip() == "0":
        write_sysctl(name, "1")


class Bridge(Driver):
    """The driver of a network that names none."""

    name = "bridge"
    has_links = True
    has_peer = True
    publishes = True
    single_subnet = True

    def bridge_name(self, options: Mapping[str, str], default: str) -> str:
        name = options.get(BRIDGE_NAME) or default
        if not _LINK_NAME.fullmatch(name) or name in (".", ".."):
            raise InvalidParameter(f"invalid bridge name {name}: an interface name has 1 to 15 characters")
        return name

    def host_link(self, network: Network) -> str:
        return network.bridge

    def up(self, netlink: Netlink, network: Network) -> None:
        enable_forwarding(netlink, ipv6=network.pool(6) is not None)
        bring_up(netlink, network)

    def plug(self, netlink: Netlink, network: Network, endpoint: Endpoint, netns_fd: int, spare: str) -> Plugged:
        """A pair between the bridge and the namespace."""
        index = links.index_of(netlink.fileno(), network.bridge)
        if not index:
            raise EngineError(f"bridge {network.bridge} of network {network.name} is gone")
        mtu = links.mtu_of(netlink.fileno(), network.bridge)
        return Plugged(
            (
                links.add_veth(endpoint.veth, index, endpoint.ifname, netns_fd, endpoint.mac_address, mtu),
                links.port_options(endpoint.veth, isolated=not network.icc),
                links.set_up(endpoint.veth),
            ),
            known=identities.gateways(network, endpoint),
        )

    def bind(self, netlink: Netlink, network: Network, endpoint: Endpoint) -> list[Request]:
        bridge, port = (links.index_of(netlink.fileno(), name) for name in (network.bridge, endpoint.veth))
        if not (bridge and port and endpoint.mac_address):
            return []  # gone again, or of a release that has not written its hardware address down
        return [identities.hold(port, endpoint.mac_address), *identities.bind(bridge, identities.neighbours(endpoint))]

    def release(self, netlink: Netlink, network: Network, endpoint: Endpoint) -> list[Request]:
        bridge = links.index_of(netlink.fileno(), network.bridge)
        return identities.release(bridge, identities.neighbours(endpoint)) if bridge else []
