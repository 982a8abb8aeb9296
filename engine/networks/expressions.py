"""The few nftables statements this engine needs, each as printable text and as the kernel's expressions.

A rule is a tuple of these values. ``text`` is what ``nft list`` would print; ``encode`` gives the nested attributes of
NFTA_RULE_EXPRESSIONS. Numbers are those of linux/netfilter/nf_tables.h; registers: REG_1 is the first 16 bytes (REG32_00 its
first four), REG_2 the next 16.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import ip_network
from typing import Protocol

from .netlink import attribute, be32, nested, text

LIST_ELEM = 1
EXPR_NAME, EXPR_DATA = 1, 2
DATA_VALUE, DATA_VERDICT = 1, 2
REG_VERDICT, REG_1, REG_2, REG32_00 = 0, 1, 2, 8
CMP_EQ, CMP_NEQ = 0, 1
NFPROTO_IPV4, NFPROTO_IPV6 = 2, 10
IFNAME_SIZE = 16
VERDICT_CODE, VERDICT_CHAIN = 1, 2


class Verdict(IntEnum):
    DROP = 0
    ACCEPT = 1
    JUMP = -3
    GOTO = -4
    RETURN = -5


class Meta(IntEnum):
    MARK = 3
    IIFNAME = 6
    OIFNAME = 7
    NFPROTO = 15
    L4PROTO = 16
    OIFKIND = 27


class Statement(Protocol):
    """Part of a rule."""

    @property
    def text(self) -> str: ...

    def encode(self) -> bytes: ...


def expression(name: str, *data: bytes) -> bytes:
    return nested(LIST_ELEM, text(EXPR_NAME, name), nested(EXPR_DATA, *data))


def value(kind: int, data: bytes) -> bytes:
    """A struct nft_data attribute holding plain bytes."""
    return nested(kind, attribute(DATA_VALUE, data))


def verdict(kind: int, code: Verdict, chain: str = "") -> bytes:
    """A struct nft_data attribute holding a verdict."""
    parts = [be32(VERDICT_CODE, code & 0xFFFFFFFF)]
    if chain:
        parts.append(text(VERDICT_CHAIN, chain))
    return nested(kind, nested(DATA_VERDICT, *parts))


def meta(key: Meta, register: int) -> bytes:
    return expression("meta", be32(1, register), be32(2, key))


def payload(base: int, offset: int, length: int, register: int) -> bytes:
    """Load packet bytes; base 1 is the network header, 2 the transport header."""
    return expression("payload", be32(1, register), be32(2, base), be32(3, offset), be32(4, length))


def compare(operation: int, data: bytes, register: int = REG_1) -> bytes:
    return expression("cmp", be32(1, register), be32(2, operation), value(3, data))


def lookup(name: str, register: int = REG_1, into: int | None = None, invert: bool = False) -> bytes:
    parts = [text(1, name), be32(2, register)]
    if into is not None:
        parts.append(be32(3, into))
    if invert:
        parts.append(be32(5, 1))
    return expression("lookup", *parts)


def bitwise(mask: bytes) -> bytes:
    """REG_1 = REG_1 & mask."""
    size = len(mask)
    return expression("bitwise", be32(1, REG_1), be32(2, REG_1), be32(3, size), value(4, mask), value(5, bytes(size)))


def family(protocol: int) -> bytes:
    return meta(Meta.NFPROTO, REG_1) + compare(CMP_EQ, bytes([protocol]))


@dataclass(frozen=True, slots=True)
class LinkIn:
    """``iifname``/``oifname`` in a set (or not)."""

    key: Meta
    name: str
    invert: bool = False

    @property
    def text(self) -> str:
        return f"{self.key.name.lower()} {'!= ' if self.invert else ''}@{self.name}"

    def encode(self) -> bytes:
        return meta(self.key, REG_1) + lookup(self.name, invert=self.invert)


@dataclass(frozen=True, slots=True)
class LinkPairIn:
    """``iifname . oifname`` in a set."""

    name: str

    @property
    def text(self) -> str:
        return f"iifname . oifname @{self.name}"

    def encode(self) -> bytes:
        return meta(Meta.IIFNAME, REG_1) + meta(Meta.OIFNAME, REG_2) + lookup(self.name)


@dataclass(frozen=True, slots=True)
class LinkIs:
    """``iifname``/``oifname``, or the kind of a link, equal to a name (or not); a trailing ``*`` matches any rest."""

    key: Meta
    name: str
    invert: bool = False

    @property
    def text(self) -> str:
        prefix = "meta " if self.key is Meta.OIFKIND else ""
        return f'{prefix}{self.key.name.lower()} {"!= " if self.invert else ""}"{self.name}"'

    def encode(self) -> bytes:
        name = os.fsencode(self.name)
        data = name[:-1] if name.endswith(b"*") else name.ljust(IFNAME_SIZE, b"\0")
        return meta(self.key, REG_1) + compare(CMP_NEQ if self.invert else CMP_EQ, data)


@dataclass(frozen=True, slots=True)
class AddressIn:
    """``ip saddr @set``; ``version`` 4 or 6, ``field`` saddr or daddr."""

    version: int
    field: str
    name: str

    @property
    def text(self) -> str:
        return f"{'ip' if self.version == 4 else 'ip6'} {self.field} @{self.name}"

    def encode(self) -> bytes:
        return load_address(self.version, self.field) + lookup(self.name)


@dataclass(frozen=True, slots=True)
class AddressWithin:
    """``ip daddr 127.0.0.0/8``."""

    field: str
    network: str

    @property
    def text(self) -> str:
        net = ip_network(self.network)
        shown = net.network_address if net.prefixlen == net.max_prefixlen else net
        return f"{'ip' if net.version == 4 else 'ip6'} {self.field} {shown}"

    def encode(self) -> bytes:
        net = ip_network(self.network)
        mask = b"" if net.prefixlen == net.max_prefixlen else bitwise(net.netmask.packed)
        return load_address(net.version, self.field) + mask + compare(CMP_EQ, net.network_address.packed)


def load_address(version: int, field: str) -> bytes:
    if version == 4:
        return family(NFPROTO_IPV4) + payload(1, 12 if field == "saddr" else 16, 4, REG_1)
    return family(NFPROTO_IPV6) + payload(1, 8 if field == "saddr" else 24, 16, REG_1)


@dataclass(frozen=True, slots=True)
class ToLocal:
    """The destination is an address of this host."""

    text: str = "fib daddr type local"

    def encode(self) -> bytes:
        return expression("fib", be32(1, REG_1), be32(2, 3), be32(3, 2)) + compare(CMP_EQ, struct.pack("=I", 2))


@dataclass(frozen=True, slots=True)
class Nowhere:
    """Nothing here leads to the destination."""

    text: str = "fib daddr oif 0"

    def encode(self) -> bytes:
        return expression("fib", be32(1, REG_1), be32(2, 1), be32(3, 2)) + compare(CMP_EQ, bytes(4))


@dataclass(frozen=True, slots=True)
class Asking:
    """The packet is of the side that has begun the connection."""

    text: str = "ct direction original"

    def encode(self) -> bytes:
        return expression("ct", be32(1, REG_1), be32(2, 1)) + compare(CMP_EQ, bytes(1))


@dataclass(frozen=True, slots=True)
class Answering:
    """The packet is of the other side."""

    text: str = "ct direction reply"

    def encode(self) -> bytes:
        return expression("ct", be32(1, REG_1), be32(2, 1)) + compare(CMP_EQ, bytes([1]))


@dataclass(frozen=True, slots=True)
class Protocol4:
    """The transport protocol."""

    name: str
    number: int

    @property
    def text(self) -> str:
        return f"meta l4proto {self.name}"

    def encode(self) -> bytes:
        return meta(Meta.L4PROTO, REG_1) + compare(CMP_EQ, bytes([self.number]))


@dataclass(frozen=True, slots=True)
class Marked:
    """The packet has this mark."""

    mark: int

    @property
    def text(self) -> str:
        return f"meta mark {self.mark:#010x}"

    def encode(self) -> bytes:
        return meta(Meta.MARK, REG_1) + compare(CMP_EQ, struct.pack("=I", self.mark))


@dataclass(frozen=True, slots=True)
class Mark:
    """Mark the packet."""

    mark: int

    @property
    def text(self) -> str:
        return f"meta mark set {self.mark:#010x}"

    def encode(self) -> bytes:
        mark = expression("immediate", be32(1, REG_1), value(2, struct.pack("=I", self.mark)))
        return mark + expression("meta", be32(2, Meta.MARK), be32(3, REG_1))


@dataclass(frozen=True, slots=True)
class HandOver:
    """Give the packet to the local socket at ``port`` as it is, and mark it, so that it is not routed away."""

    port: int
    mark: int

    @property
    def text(self) -> str:
        return f"{Mark(self.mark).text} tproxy to :{self.port}"

    def encode(self) -> bytes:
        port = expression("immediate", be32(1, REG_1), value(2, struct.pack("!H", self.port)))
        return Mark(self.mark).encode() + port + expression("tproxy", be32(1, 0), be32(3, REG_1))


@dataclass(frozen=True, slots=True)
class Connection:
    """Some bits of the connection's state or status are set."""

    text: str
    key: int
    bits: int

    def encode(self) -> bytes:
        mask = struct.pack("=I", self.bits)
        return expression("ct", be32(1, REG_1), be32(2, self.key)) + bitwise(mask) + compare(CMP_NEQ, bytes(4))


ESTABLISHED = Connection("ct state established,related", 0, 2 | 4)
TRANSLATED = Connection("ct status dnat", 2, 1 << 5)


@dataclass(frozen=True, slots=True)
class Redirect:
    """Destination NAT through a map keyed by ``[daddr .] proto . port``."""

    version: int
    name: str
    with_address: bool

    @property
    def text(self) -> str:
        ip = "ip" if self.version == 4 else "ip6"
        address = f"{ip} daddr . " if self.with_address else ""
        implied = "" if self.with_address else f"meta nfproto ipv{self.version} "
        return f"{implied}dnat {ip} to {address}meta l4proto . th dport map @{self.name}"

    def encode(self) -> bytes:
        words = 1 if self.version == 4 else 4
        protocol = NFPROTO_IPV4 if self.version == 4 else NFPROTO_IPV6
        key = REG32_00
        parts = [family(protocol)]
        if self.with_address:
            parts.append(payload(1, 16 if self.version == 4 else 24, 4 * words, REG_1))
            key += words
        parts += [meta(Meta.L4PROTO, key), payload(2, 2, 2, key + 1), lookup(self.name, REG_1, into=REG_1)]
        nat = (be32(1, 1), be32(2, protocol), be32(3, REG_1), be32(5, REG32_00 + words))
        return b"".join(parts) + expression("nat", *nat)


@dataclass(frozen=True, slots=True)
class Masquerade:
    text: str = "masquerade"

    def encode(self) -> bytes:
        return expression("masq")


@dataclass(frozen=True, slots=True)
class Counter:
    text: str = "counter"

    def encode(self) -> bytes:
        return expression("counter")


@dataclass(frozen=True, slots=True)
class Decide:
    """A verdict, with the chain for jump and goto."""

    code: Verdict
    chain: str = ""

    @property
    def text(self) -> str:
        return f"{self.code.name.lower()} {self.chain}".rstrip()

    def encode(self) -> bytes:
        return expression("immediate", be32(1, REG_VERDICT), verdict(2, self.code, self.chain))


ACCEPT = Decide(Verdict.ACCEPT)
DROP = Decide(Verdict.DROP)
RETURN = Decide(Verdict.RETURN)
