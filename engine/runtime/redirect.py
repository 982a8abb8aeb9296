"""Port 53 of 127.0.0.11 in a container's network namespace, without taking port 53.

A socket at 127.0.0.11:53 would keep the container's own programs from listening at 0.0.0.0:53. So the resolver listens at
another port, and four nftables rules write the port anew in packets that leave a socket of this namespace:

    to   127.0.0.11:53            the destination port becomes the resolver's
    from 127.0.0.11:resolver      the source port becomes 53

The headers are rewritten without state: there is no connection tracking, whose table queries could fill.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import NamedTuple

_NETLINK_NETFILTER = 12
_REQUEST, _ACK, _CREATE, _APPEND = 0x1, 0x4, 0x400, 0x800
_ERROR = 2
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_SUBSYSTEM = 10 << 8
_NEWTABLE, _NEWCHAIN, _NEWRULE = 0, 3, 6
_IPV4 = 2
_HOOK_OUTPUT, _PRIORITY_RAW = 3, -300
_NETWORK_HEADER, _TRANSPORT_HEADER = 1, 2
_META_L4PROTO = 16
_CHECKSUM_INET = 1
_SOURCE_PORT, _DESTINATION_PORT = 0, 2
_SOURCE_ADDRESS, _DESTINATION_ADDRESS = 12, 16
_CHECKSUM_AT = {socket.IPPROTO_UDP: 6, socket.IPPROTO_TCP: 16}
_NAME = "pycompose_resolver"


class Redirect(NamedTuple):
    """Of ``address``: ``port`` is what the container sees, ``real`` where the resolver listens."""

    address: str
    port: int
    real: int


def install(redirect: Redirect) -> None:
    """Put the rules into the caller's network namespace. Raises OSError where the kernel has no nftables."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER) as netlink:
        netlink.sendto(batch(redirect), (0, 0))
        # The kernel has handled all of it when sendto returns: what it refuses, and the last rule's acknowledgement, is there.
        while True:
            answers = netlink.recv(1 << 16, socket.MSG_DONTWAIT)
            while answers:
                length, kind = struct.unpack_from("=IH", answers)
                (error,) = struct.unpack_from("=i", answers, 16)
                if kind == _ERROR and error:
                    raise OSError(-error, os.strerror(-error), "nftables")
                if kind == _ERROR:
                    return
                answers = answers[(length + 3) & ~3 :]


def batch(redirect: Redirect) -> bytes:
    """The table as one transaction."""
    names = _text(1, _NAME)
    hook = _nested(4, _be32(1, _HOOK_OUTPUT) + _be32(2, _PRIORITY_RAW & 0xFFFFFFFF))
    chain = names + _text(3, "output") + hook + _text(7, "filter")
    messages = [
        _message(_SUBSYSTEM | _NEWTABLE, _CREATE, names),
        _message(_SUBSYSTEM | _NEWCHAIN, _CREATE, chain),
    ]
    rules = [rule for protocol in _CHECKSUM_AT for rule in _rules(redirect, protocol)]
    for number, expressions in enumerate(rules, start=1):
        flags = _CREATE | _APPEND | (_ACK if number == len(rules) else 0)
        body = names + _text(2, "output") + _nested(4, expressions)
        messages.append(_message(_SUBSYSTEM | _NEWRULE, flags, body))
    begin, end = (_message(kind, 0, b"", family=0, resource=10) for kind in (_BATCH_BEGIN, _BATCH_END))
    return b"".join([begin, *messages, end])


def _rules(redirect: Redirect, protocol: int) -> tuple[bytes, bytes]:
    """There and back."""

    def rule(address_at: int, port_at: int, before: int, after: int) -> bytes:
        return b"".join(
            [
                _expression("meta", _be32(1, 1), _be32(2, _META_L4PROTO)),
                _equals(bytes([protocol])),
                _load(_NETWORK_HEADER, address_at, 4),
                _equals(socket.inet_aton(redirect.address)),
                _load(_TRANSPORT_HEADER, port_at, 2),
                _equals(struct.pack("!H", before)),
                _expression("immediate", _be32(1, 1), _nested(2, _attribute(1, struct.pack("!H", after)))),
                _expression(
                    "payload",
                    _be32(5, 1),
                    _be32(2, _TRANSPORT_HEADER),
                    _be32(3, port_at),
                    _be32(4, 2),
                    _be32(6, _CHECKSUM_INET),
                    _be32(7, _CHECKSUM_AT[protocol]),
                ),
            ]
        )

    there = rule(_DESTINATION_ADDRESS, _DESTINATION_PORT, redirect.port, redirect.real)
    return there, rule(_SOURCE_ADDRESS, _SOURCE_PORT, redirect.real, redirect.port)


def _load(base: int, offset: int, length: int) -> bytes:
    return _expression("payload", _be32(1, 1), _be32(2, base), _be32(3, offset), _be32(4, length))


def _equals(value: bytes) -> bytes:
    return _expression("cmp", _be32(1, 1), _be32(2, 0), _nested(3, _attribute(1, value)))


def _expression(name: str, *attributes: bytes) -> bytes:
    return _nested(1, _text(1, name) + _nested(2, b"".join(attributes)))


def _message(kind: int, flags: int, body: bytes, *, family: int = _IPV4, resource: int = 0) -> bytes:
    payload = struct.pack("!BBH", family, 0, resource) + body
    return struct.pack("=IHHII", 16 + len(payload), kind, flags | _REQUEST, 0, 0) + payload


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _nested(kind: int, value: bytes) -> bytes:
    return _attribute(kind | 0x8000, value)


def _be32(kind: int, value: int) -> bytes:
    return _attribute(kind, struct.pack("!I", value))


def _text(kind: int, value: str) -> bytes:
    return _attribute(kind, value.encode() + b"\0")
