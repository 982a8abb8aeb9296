"""The macvlan and ipvlan drivers: an endpoint is a link of its own on a parent link of the host, without bridge, NAT or
published ports. Checked against the kernel's answer, since either may be compiled out.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from ...errors import InvalidParameter
from .. import links, parentlinks
from ..types import DRIVER_MTU
from .driver import Driver, Plugged

if TYPE_CHECKING:
    from ..netlink import Netlink, Request
    from ..types import Endpoint, Network

_VLAN = re.compile(r"(?P<parent>.+)\.(?P<tag>\d{1,4})")


class Parented(Driver, ABC):
    """What macvlan and ipvlan have in common."""

    has_links = True
    lingers = True

    def check(self, network: Network) -> None:
        self.mode(network)

    @abstractmethod
    def mode(self, network: Network) -> str:
        """The option's value or its default; InvalidParameter for an unknown one."""

    def host_link(self, network: Network) -> str:
        """The link that the network sits on; without the option a dummy link of its own, as Docker does."""
        return network.options.get("parent") or f"dm-{network.id[:12]}"

    def up(self, netlink: Netlink, network: Network) -> None:
        """Make the parent exist: a VLAN (``eth0.10``) or the dummy is created."""
        parent = self.host_link(network)
        if links.index_of(netlink.fileno(), parent):
            return
        if not network.options.get("parent"):
            netlink.run([parentlinks.add_dummy(parent)])
            return
        match = _VLAN.fullmatch(parent)
        carrier = links.index_of(netlink.fileno(), match["parent"]) if match is not None else 0
        if match is None or not carrier:
            raise InvalidParameter(f"invalid subinterface vlan name {parent}, example formatting is eth0.10")
        if not 0 < int(match["tag"]) < 4095:
            raise InvalidParameter(f"vlan id must be between 1-4094, received: {match['tag']}")
        netlink.run([parentlinks.add_vlan(parent, carrier, int(match["tag"]))])

    def plug(self, netlink: Netlink, network: Network, endpoint: Endpoint, netns_fd: int, spare: str) -> Plugged:
        # Before Linux 6.14 a name is refused that a link out here has, eth0 for example.
        parent = links.index_of(netlink.fileno(), self.host_link(network))
        return Plugged((self.link(network, endpoint, parent, netns_fd, spare),), made_as=spare)

    @abstractmethod
    def link(self, network: Network, endpoint: Endpoint, parent: int, netns_fd: int, name: str) -> Request:
        """The request for the endpoint's link on the one with the index ``parent``, called ``name`` for now."""


class Macvlan(Parented):
    """Links with hardware addresses of their own."""

    name = "macvlan"

    def mode(self, network: Network) -> str:
        mode = network.options.get("macvlan_mode") or "bridge"
        if mode not in parentlinks.MACVLAN_MODES:
            raise InvalidParameter(
                f"requested macvlan mode '{mode}' is not valid, 'bridge' mode is the macvlan driver default"
            )
        return mode

    def link(self, network: Network, endpoint: Endpoint, parent: int, netns_fd: int, name: str) -> Request:
        return parentlinks.add_macvlan(name, parent, self.mode(network), netns_fd, endpoint.mac_address, _mtu(network))


class Ipvlan(Parented):
    """Links that share the parent's hardware address."""

    name = "ipvlan"
    has_mac = False

    def mode(self, network: Network) -> str:
        mode = network.options.get("ipvlan_mode") or "l2"
        if mode not in parentlinks.IPVLAN_MODES:
            raise InvalidParameter(
                f"requested ipvlan mode '{mode}' is not valid, 'l2' mode is the ipvlan driver default"
            )
        return mode

    def link(self, network: Network, endpoint: Endpoint, parent: int, netns_fd: int, name: str) -> Request:
        return parentlinks.add_ipvlan(name, parent, self.mode(network), netns_fd, _mtu(network))


def _mtu(network: Network) -> int:
    return int(network.options.get(DRIVER_MTU) or 0)
