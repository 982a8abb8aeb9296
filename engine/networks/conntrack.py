"""Connection tracking entries of UDP that a changed port publication leaves behind.

A UDP "connection" has no end, so a client that keeps sending keeps its old translation, towards an address nobody has any
more. Entries are deleted when a UDP port is published or withdrawn; TCP connections end by themselves.
"""

from __future__ import annotations

import errno
from ipaddress import ip_address
from typing import TYPE_CHECKING

from .netlink import Netlink, Request, attribute, attributes
from .nft import UNSPEC, nfgen

if TYPE_CHECKING:
    from collections.abc import Collection

_SUBSYSTEM = 1
_GET, _DELETE = 1, 2
_TUPLE_ORIGINAL, _TUPLE_REPLY = 1, 2
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_IP_SOURCE = (1, 3)  # CTA_IP_V4_SRC, CTA_IP_V6_SRC
_PROTO_NUMBER, _PROTO_DESTINATION = 1, 3
_UDP = 17


def forget_udp(netlink: Netlink, host_ports: Collection[int], addresses: Collection[str]) -> int:
    """Delete UDP entries towards one of ``host_ports`` or answered by one of ``addresses``; how many."""
    packed = {ip_address(address).packed for address in addresses}
    doomed = []
    for body in netlink.dump("list tracked connections", _SUBSYSTEM << 8 | _GET, nfgen(UNSPEC)):
        values = dict(attributes(body[4:]))
        original = dict(attributes(values.get(_TUPLE_ORIGINAL, b"")))
        protocol = dict(attributes(original.get(_TUPLE_PROTO, b"")))
        if protocol.get(_PROTO_NUMBER) != bytes([_UDP]):
            continue
        reply = dict(attributes(values.get(_TUPLE_REPLY, b"")))
        sources = dict(attributes(reply.get(_TUPLE_IP, b"")))
        port = int.from_bytes(protocol.get(_PROTO_DESTINATION, b""), "big")
        if port in host_ports or any(sources.get(kind) in packed for kind in _IP_SOURCE):
            payload = nfgen(body[0]) + attribute(_TUPLE_ORIGINAL | 0x8000, values[_TUPLE_ORIGINAL])
            kind = _SUBSYSTEM << 8 | _DELETE
            doomed.append(Request("forget a tracked connection", kind, 0, payload, (errno.ENOENT,)))
    netlink.run(doomed)
    return len(doomed)
