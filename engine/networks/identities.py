"""Whose an address on a bridge is: settled by the engine, not by who says so there (ARP, neighbour advertisements, frames).

    fdb of the bridge          a hardware address stays at its port, whoever sends frames with it
    neighbours of the host     the engine's requests and published ports go to the container, whoever claims its address
    neighbours inside          what leaves goes to the host, whoever claims the gateway's address

Among themselves the containers of one network find each other as on any LAN. Pure: requests for links.py's kernel.
"""

from __future__ import annotations

import errno
import socket
import struct
from ipaddress import ip_address
from typing import TYPE_CHECKING

from .ipam import mac_from
from .netlink import NLM_F_CREATE, NLM_F_REPLACE, Request, attribute

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .types import Endpoint, Network

_RTM_NEWNEIGH, _RTM_DELNEIGH = 28, 29
_NDMSG = struct.Struct("=B3xiHBB")  # family, index, state, flags, type
_NDA_DST, _NDA_LLADDR = 1, 2
_PERMANENT, _NO_ARP = 0x80, 0x40
_IN_MASTER, _STICKY = 0x04, 0x40
_SET = NLM_F_CREATE | NLM_F_REPLACE

Neighbour = tuple[str, str]
"""An IP address, and the hardware address behind it."""


def gateways(network: Network, endpoint: Endpoint) -> tuple[Neighbour, ...]:
    """What a container on the network is to know of the host. A bridge of the user's may get another hardware address."""
    if network.adopted:
        return ()
    own = {4: endpoint.ipv4_address, 6: endpoint.ipv6_address}
    pools = ((version, network.pool(version)) for version in (4, 6) if own[version])
    return tuple((pool.gateway, mac_from(network.id)) for _, pool in pools if pool is not None and pool.gateway)


def neighbours(endpoint: Endpoint) -> tuple[Neighbour, ...]:
    """What the host is to know of a container."""
    return tuple((one, endpoint.mac_address) for one in (endpoint.ipv4_address, endpoint.ipv6_address) if one)


def bind(index: int, known: Iterable[Neighbour]) -> list[Request]:
    """Whom addresses belong to behind the link with this index, for good."""
    return [
        Request(f"bind {address} to {mac}", _RTM_NEWNEIGH, _SET, _entry(index, address) + _hardware(mac))
        for address, mac in known
    ]


def release(index: int, known: Iterable[Neighbour]) -> list[Request]:
    """Whoever claims these addresses next has them."""
    gone = (errno.ENOENT, errno.ENODEV)
    return [Request(f"release {address}", _RTM_DELNEIGH, 0, _entry(index, address), gone) for address, _ in known]


def hold(port: int, mac: str) -> Request:
    """Frames for this hardware address go to the port with this index, until the port goes."""
    head = _NDMSG.pack(socket.AF_BRIDGE, port, _NO_ARP, _IN_MASTER | _STICKY, 0)
    return Request(f"hold {mac} at its port", _RTM_NEWNEIGH, _SET, head + _hardware(mac), (errno.ENODEV,))


def _entry(index: int, address: str) -> bytes:
    parsed = ip_address(address)
    family = socket.AF_INET if parsed.version == 4 else socket.AF_INET6
    return _NDMSG.pack(family, index, _PERMANENT, 0, 0) + attribute(_NDA_DST, parsed.packed)


def _hardware(mac: str) -> bytes:
    return attribute(_NDA_LLADDR, bytes.fromhex(mac.replace(":", "")))
