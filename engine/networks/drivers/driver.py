"""What a network driver is: one object that answers everything that depends on the kind of a network.

    check      a network just described has options that the driver takes       (pure; before anything is made)
    up         the network exists in the kernel: its bridge, its parent link
    plug       requests that put an endpoint's link into a namespace
    unplug     the link leaves a namespace that lives on; those of a namespace that ends go with it
    down       the links to delete when the network goes

A driver has no state: records are Network and Endpoint, the kernel's state is kernel.py's. A new driver is one class in this
folder and one entry in ``ALL``; nothing else compares a driver's name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .. import interface
from ..inside import inside

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..identities import Neighbour
    from ..interface import DefaultRoute
    from ..netlink import Netlink, Request
    from ..types import Endpoint, Network


class Plugged(NamedTuple):
    """Requests that make an endpoint's link in the namespace; there it is called ``made_as`` first, "" for its own name.
    ``known`` are the neighbours that it is to know behind it."""

    requests: Sequence[Request]
    made_as: str = ""
    known: Sequence[Neighbour] = ()


class Driver:
    """A driver whose networks have no links: what is true of the others is said in their classes."""

    name = ""
    has_links = False
    """Endpoints have a link in the container, with addresses."""
    has_mac = True
    """The link has a hardware address of its own."""
    has_peer = False
    """The link is one end of a pair; the other stays on the host."""
    publishes = False
    """Published ports lead to endpoints; the network is in the nftables table."""
    shares_host = False
    """The container has the host's network namespace."""
    single_subnet = False
    """A network has one subnet for each version of IP at most."""
    lingers = False
    """Links of a namespace that ends keep their addresses for a while, and must be deleted before."""
    alone = ""
    """Why a container on such a network can be on no other; "" where it can."""
    unique = False
    """There is one network of the kind, and users cannot make another."""

    def bridge_name(self, options: Mapping[str, str], default: str) -> str:
        """The bridge of a network with these options; "" for a driver without. Raises InvalidParameter."""
        return ""

    def check(self, network: Network) -> None:
        """Raise InvalidParameter for options that make no sense."""

    def host_link(self, network: Network) -> str:
        """The link on the host that carries the network; "" without one."""
        return ""

    def up(self, netlink: Netlink, network: Network) -> None:
        """Make the network exist in the kernel. Repeating it repairs. Raises EngineError."""

    def down(self, network: Network) -> tuple[str, ...]:
        """The links of the host that go with the network."""
        link = self.host_link(network)
        return (link,) if link and not network.adopted else ()

    def plug(self, netlink: Netlink, network: Network, endpoint: Endpoint, netns_fd: int, spare: str) -> Plugged:
        """How the endpoint's link gets into the namespace; ``spare`` is a name that no link has."""
        return Plugged(())

    def bind(self, netlink: Netlink, network: Network, endpoint: Endpoint) -> list[Request]:
        """Requests, once the link is there, by which nobody else on the network is taken for the endpoint."""
        return []

    def release(self, netlink: Netlink, network: Network, endpoint: Endpoint) -> list[Request]:
        """The opposite, for what does not go with the link."""
        return []

    def unplug(self, endpoint: Endpoint, netns_fd: int, routes: Sequence[DefaultRoute]) -> None:
        """Take the endpoint's link out of a namespace that lives on, and set the default routes that are to follow."""
        inside(netns_fd, lambda: interface.delete(None, endpoint.ifname, routes))
