"""Connection tracking entries of UDP that a changed port publication leaves behind.

A UDP "connection" has no end, so a client that keeps sending keeps its old translation, towards an address nobody has any
more. Entries are deleted when a UDP port is published or withdrawn; TCP connections end by themselves.
"""

from __future__ import annotations

import errno
from ipaddress import ip_address
from typing import TYPE_CHECKING

from .netlink import NLA_F_NESTED, Netlink, Request, attribute, attributes
from .nft import UNSPEC, nfgen

if TYPE_CHECKING:
    from collections.abc import Collection

_SUBSYSTEM = 1
_GET, _DELETE = 1, 2
_TUPLE_ORIGINAL, _TUPLE_REPLY = 1, 2
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_IP_SOURCE = (1, 3)  # CTA_IP_V4_SRC, CTA_IP_V6_SRC
_IP_DESTINATION = (2, 4)
_PROTO_NUMBER, _PROTO_DESTINATION = 1, 3
_UDP = 17


def forget_udp(
    netlink: Netlink, host_ports: Collection[int], host_addresses: Collection[str], gone: Collection[str]
) -> int:
    """Delete UDP entries towards one of ``host_ports`` at an address of this host, and those answered by an address of
    ``gone``; how many. Traffic to the same port elsewhere (DNS servers, say) is left alone."""
    local = {ip_address(address).packed for address in host_addresses}
    packed = {ip_address(address).packed for address in gone}
    doomed = []
    for body in netlink.dump("list tracked connections", _SUBSYSTEM << 8 | _GET, nfgen(UNSPEC)):
        values = dict(attributes(body[4:]))
        original = dict(attributes(values.get(_TUPLE_ORIGINAL, b"")))
        protocol = dict(attributes(original.get(_TUPLE_PROTO, b"")))
        if protocol.get(_PROTO_NUMBER) != bytes([_UDP]):
            continue
        target = _address(original, _IP_DESTINATION)
        answering = _address(dict(attributes(values.get(_TUPLE_REPLY, b""))), _IP_SOURCE)
        port = int.from_bytes(protocol.get(_PROTO_DESTINATION, b""), "big")
        if answering in packed or (port in host_ports and (target in local or ip_address(target).is_loopback)):
            payload = nfgen(body[0]) + attribute(_TUPLE_ORIGINAL | NLA_F_NESTED, values[_TUPLE_ORIGINAL])
            kind = _SUBSYSTEM << 8 | _DELETE
            doomed.append(Request("forget a tracked connection", kind, 0, payload, (errno.ENOENT,)))
    netlink.run(doomed)
    return len(doomed)


def _address(tuple_attributes: dict[int, bytes], kinds: tuple[int, int]) -> bytes:
    addresses = dict(attributes(tuple_attributes.get(_TUPLE_IP, b"")))
    return addresses.get(kinds[0]) or addresses.get(kinds[1]) or bytes(4)
