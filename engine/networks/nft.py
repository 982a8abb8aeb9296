"""The private nftables table in the kernel: written over NETLINK_NETFILTER, whole or element by element.

Every change is one transaction: a replaced table is never half there, and connections in progress keep their
translation. No nft or iptables program is involved. What the table holds is decided in ruleset.py.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from .expressions import IFNAME_SIZE, LIST_ELEM
from .netlink import (
    NETLINK_NETFILTER,
    NLM_F_APPEND,
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_REQUEST,
    Netlink,
    NetlinkError,
    attribute,
    attributes,
    be32,
    message,
    nested,
    text,
)
from .ruleset import PROTOCOLS, SETS, Chain, Ruleset, SetSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .ruleset import Element

SUBSYSTEM = 10
_GROUP_NFTABLES = 7
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
NEWTABLE, GETTABLE, DELTABLE, NEWCHAIN, GETCHAIN = 0, 1, 2, 3, 4
NEWRULE, GETRULE, DELRULE = 6, 7, 8
NEWSET, NEWSETELEM, GETSETELEM, DELSETELEM = 9, 12, 13, 14
GETGEN = 16
INET, IPV4, IPV6, UNSPEC = 1, 2, 10, 0

_HOOKS = {"prerouting": 0, "input": 1, "forward": 2, "output": 3, "postrouting": 4}
_SET_INTERVAL, _SET_MAP, _SET_CONCAT = 0x4, 0x8, 0x80
_ELEMENT_INTERVAL_END = 1
# Tells ``nft list`` how to print names: libnftnl's type-length-value for "the key is in host byte order"
_HOST_ORDER = struct.pack("=BBI", 0, 4, 1)
# nft's own numbers of its types, six bits each in a concatenation: only ``nft list`` reads them
_TYPES = {"ipv4_addr": (7, 4), "ipv6_addr": (8, 16), "inet_proto": (12, 1), "inet_service": (13, 2), "ifname": (41, 16)}


def changes() -> socket.socket:
    """A socket that becomes readable when anybody changes an nftables ruleset of this namespace."""
    made = socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, NETLINK_NETFILTER
    )
    made.bind((0, 1 << _GROUP_NFTABLES - 1))
    return made


def drain(subscribed: socket.socket) -> None:
    """Read away what a socket of ``changes`` has queued; what was lost to a full queue does not matter."""
    while True:
        try:
            subscribed.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise


def nfgen(family: int, resource: int = 0) -> bytes:
    """struct nfgenmsg."""
    return struct.pack("!BBH", family, 0, resource)


class Batch:
    """Messages of one transaction."""

    def __init__(self) -> None:
        self._parts = [message(_BATCH_BEGIN, NLM_F_REQUEST, 0, nfgen(0, SUBSYSTEM))]

    def add(self, kind: int, family: int, *attrs: bytes, flags: int = 0) -> None:
        payload = nfgen(family) + b"".join(attrs)
        self._parts.append(message(SUBSYSTEM << 8 | kind, flags | NLM_F_REQUEST, len(self._parts), payload))

    @property
    def size(self) -> int:
        return len(self._parts) - 1

    def data(self) -> bytes:
        return b"".join(self._parts) + message(_BATCH_END, NLM_F_REQUEST, len(self._parts), nfgen(0, SUBSYSTEM))


class Table:
    """The table of one instance."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.own_changes = 0  # transactions of ours, each of which raised the kernel's generation by one
        self._netlink: Netlink | None = None

    def netlink(self) -> Netlink:
        if self._netlink is None:
            self._netlink = Netlink(NETLINK_NETFILTER)
        return self._netlink

    def close(self) -> None:
        if self._netlink is not None:
            self._netlink.close()
            self._netlink = None

    def generation(self) -> int:
        """The kernel's counter of ruleset changes, by anyone."""
        body = self.netlink().dump("read nftables generation", SUBSYSTEM << 8 | GETGEN, nfgen(UNSPEC), flags=0)[0]
        return int.from_bytes(dict(attributes(body[4:]))[1], "big")

    def is_usable(self) -> bool:
        """Whether the kernel has nftables and lets us use it."""
        try:
            self.generation()
        except (NetlinkError, OSError):
            return False
        return True

    def exists(self) -> bool:
        payload = nfgen(INET) + text(1, self.name)
        try:
            self.netlink().dump(f"look up table {self.name}", SUBSYSTEM << 8 | GETTABLE, payload, flags=0)
        except NetlinkError as error:
            if error.errno == errno.ENOENT:
                return False
            raise
        return True

    def replace(self, ruleset: Ruleset) -> None:
        """Make the table be exactly this, in one transaction."""
        batch = Batch()
        batch.add(NEWTABLE, INET, text(1, self.name), be32(2, 0), flags=NLM_F_CREATE)
        batch.add(DELTABLE, INET, text(1, self.name))
        batch.add(NEWTABLE, INET, text(1, self.name), be32(2, 0), flags=NLM_F_CREATE)
        for number, spec in enumerate(SETS, start=1):
            self._add_set(batch, spec, number)
        for chain in ruleset.chains:
            self._add_chain(batch, chain)
        for chain in ruleset.chains:
            for rule in chain.rules:
                expressions = nested(4, *(statement.encode() for statement in rule))
                names = (text(1, self.name), text(2, chain.name))
                batch.add(NEWRULE, INET, *names, expressions, flags=NLM_F_CREATE | NLM_F_APPEND)
        self._elements(batch, NEWSETELEM, ruleset.elements)
        self._commit(f"replace nftables table {self.name}", batch)

    def change(
        self, add: Mapping[str, frozenset[Element]], remove: Mapping[str, frozenset[Element]] | None = None
    ) -> None:
        """Remove, then add elements, in one transaction."""
        batch = Batch()
        self._elements(batch, DELSETELEM, remove or {})
        self._elements(batch, NEWSETELEM, add)
        if batch.size:
            self._commit(f"change elements of nftables table {self.name}", batch)

    def delete(self) -> bool:
        """Delete the table; False when there was none."""
        if not self.exists():
            return False
        batch = Batch()
        batch.add(DELTABLE, INET, text(1, self.name))
        self._commit(f"delete nftables table {self.name}", batch)
        return True

    def _commit(self, operation: str, batch: Batch) -> None:
        self.netlink().transact(operation, batch.data())
        self.own_changes += 1

    def elements(self, set_name: str) -> set[bytes]:
        """Raw keys of a set as the kernel has them, for checks."""
        payload = nfgen(INET) + text(1, self.name) + text(2, set_name)
        keys = set()
        for body in self.netlink().dump(f"list set {set_name}", SUBSYSTEM << 8 | GETSETELEM, payload, NLM_F_DUMP):
            for _, item in attributes(dict(attributes(body[4:])).get(3, b"")):
                keys.add(dict(attributes(dict(attributes(item))[1]))[1])
        return keys

    def _add_set(self, batch: Batch, spec: SetSpec, number: int) -> None:
        key_type, key_size = _concat(spec.key)
        flags = _SET_INTERVAL if spec.interval else 0
        flags |= _SET_MAP if spec.data else 0
        attrs = [text(1, self.name), text(2, spec.name), be32(4, key_type), be32(5, key_size), be32(10, number)]
        if len(spec.key) > 1:
            flags |= _SET_CONCAT
            attrs.append(nested(9, nested(2, *(nested(1, be32(1, _TYPES[kind][1])) for kind in spec.key))))
        if spec.key == ("ifname",):
            attrs.append(attribute(13, _HOST_ORDER))
        if spec.data:
            data_type, data_size = _concat(spec.data)
            attrs += [be32(6, data_type), be32(7, data_size)]
        batch.add(NEWSET, INET, *attrs, be32(3, flags), flags=NLM_F_CREATE)

    def _add_chain(self, batch: Batch, chain: Chain) -> None:
        attrs = [text(1, self.name), text(3, chain.name)]
        if chain.hook:
            priority = be32(2, chain.priority & 0xFFFFFFFF)
            attrs += [nested(4, be32(1, _HOOKS[chain.hook]), priority), be32(5, 1), text(7, chain.kind)]
        batch.add(NEWCHAIN, INET, *attrs, flags=NLM_F_CREATE)

    def _elements(self, batch: Batch, kind: int, elements: Mapping[str, Iterable[Element]]) -> None:
        flags = NLM_F_CREATE if kind == NEWSETELEM else 0
        for spec in SETS:
            items = sorted(elements.get(spec.name, ()))
            # An attribute's length has 16 bits: a list of elements must stay well below 64 kB.
            for start in range(0, len(items), 400):
                encoded = b"".join(_encode_element(spec, item) for item in items[start : start + 400])
                names = (text(1, self.name), text(2, spec.name))
                batch.add(kind, INET, *names, nested(3, encoded), flags=flags)


def _concat(kinds: tuple[str, ...]) -> tuple[int, int]:
    """Type number and size in bytes; parts of a concatenation are padded to four bytes."""
    if len(kinds) == 1:
        return _TYPES[kinds[0]]
    number = size = 0
    for kind in kinds:
        number = number << 6 | _TYPES[kind][0]
        size += (_TYPES[kind][1] + 3) & ~3
    return number, size


def _pack(kinds: tuple[str, ...], parts: tuple[str, ...]) -> bytes:
    packed = [_pack_one(kind, part) for kind, part in zip(kinds, parts, strict=True)]
    if len(packed) == 1:
        return packed[0]
    return b"".join(item + b"\0" * (-len(item) % 4) for item in packed)


def _pack_one(kind: str, part: str) -> bytes:
    if kind == "ifname":
        return os.fsencode(part).ljust(IFNAME_SIZE, b"\0")
    if kind == "inet_proto":
        return bytes([PROTOCOLS[part]])
    if kind == "inet_service":
        return struct.pack("!H", int(part))
    return ip_address(part).packed


def _encode_element(spec: SetSpec, element: Element) -> bytes:
    if spec.interval:
        net = ip_network(element[0])
        result = nested(LIST_ELEM, nested(1, attribute(1, net.network_address.packed)))
        end = int(net.broadcast_address) + 1
        if end < 1 << net.max_prefixlen:
            key = nested(1, attribute(1, end.to_bytes(net.max_prefixlen // 8, "big")))
            result += nested(LIST_ELEM, key, be32(3, _ELEMENT_INTERVAL_END))
        return result
    width = len(spec.key)
    attrs = [nested(1, attribute(1, _pack(spec.key, element[:width])))]
    if spec.data:
        attrs.append(nested(2, attribute(1, _pack(spec.data, element[width:]))))
    return nested(LIST_ELEM, *attrs)
