"""The macvlan and ipvlan drivers: an endpoint is a link of its own on a parent link of the host, without bridge, NAT or
published ports. Checked against the kernel's answer, since either may be compiled out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..errors import InvalidParameter
from . import links
from .bridge import link_index
from .types import DRIVER_MTU

if TYPE_CHECKING:
    from .netlink import Netlink, Request
    from .types import Endpoint, Network

_VLAN = re.compile(r"(?P<parent>.+)\.(?P<tag>\d{1,4})")


def parent_of(network: Network) -> str:
    """The host link the network sits on; without the option a dummy link of its own, as Docker does."""
    return network.options.get("parent") or f"dm-{network.id[:12]}"


def mode_of(network: Network) -> str:
    """macvlan_mode or ipvlan_mode; InvalidParameter for an unknown one."""
    if network.driver == "macvlan":
        mode = network.options.get("macvlan_mode") or "bridge"
        if mode not in links.MACVLAN_MODES:
            raise InvalidParameter(
                f"requested macvlan mode '{mode}' is not valid, 'bridge' mode is the macvlan driver default"
            )
        return mode
    mode = network.options.get("ipvlan_mode") or "l2"
    if mode not in links.IPVLAN_MODES:
        raise InvalidParameter(f"requested ipvlan mode '{mode}' is not valid, 'l2' mode is the ipvlan driver default")
    return mode


def bring_up(netlink: Netlink, network: Network) -> bool:
    """Make the parent exist: a VLAN (``eth0.10``) or the dummy is created; True when it was created here."""
    parent = parent_of(network)
    if link_index(parent):
        return False
    if not network.options.get("parent"):
        netlink.run([links.add_dummy(parent)])
        return True
    match = _VLAN.fullmatch(parent)
    if match is None or not link_index(match["parent"]):
        raise InvalidParameter(f"invalid subinterface vlan name {parent}, example formatting is eth0.10")
    if not 0 < int(match["tag"]) < 4095:
        raise InvalidParameter(f"vlan id must be between 1-4094, received: {match['tag']}")
    netlink.run([links.add_vlan(parent, link_index(match["parent"]), int(match["tag"]))])
    return True


def endpoint_request(network: Network, endpoint: Endpoint, netns_fd: int, name: str) -> Request:
    """The endpoint's link, called ``name`` for now."""
    parent = link_index(parent_of(network))
    mtu = int(network.options.get(DRIVER_MTU) or 0)
    if network.driver == "macvlan":
        return links.add_macvlan(name, parent, mode_of(network), netns_fd, endpoint.mac_address, mtu)
    return links.add_ipvlan(name, parent, mode_of(network), netns_fd, mtu)
