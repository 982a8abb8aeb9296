"""Address management: which subnet a network gets, and which address an endpoint gets. Pure.

Subnets come from a list of default pools in Docker's order (172.17.0.0/16 to 172.31, slices of 192.168, then 10.x),
skipping what the host routes and what other networks have. An endpoint gets the lowest free address, as with Docker; the
MAC address follows from it, so neighbours' caches stay right when an address is used again.
"""

from __future__ import annotations

import hashlib
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

from ..errors import Forbidden, InvalidParameter
from .types import Pool

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    Subnet = IPv4Network | IPv6Network
    Address = IPv4Address | IPv6Address

OVERLAP = "Pool overlaps with other one on this address space"
EXHAUSTED = (
    "could not find an available, non-overlapping {family} address pool among the defaults to assign to the network"
)


@dataclass(frozen=True, slots=True)
class DefaultPool:
    """``base`` is cut into networks of ``size`` bits of prefix."""

    base: str
    size: int

    def subnets(self) -> Iterator[Subnet]:
        return iter(ip_network(self.base).subnets(new_prefix=self.size))


DEFAULT_POOLS: tuple[DefaultPool, ...] = (
    *(DefaultPool(f"172.{second}.0.0/16", 16) for second in range(17, 32)),
    DefaultPool("192.168.0.0/16", 20),
    DefaultPool("10.0.0.0/8", 20),
)


def unique_local_pool(seed: str) -> DefaultPool:
    """The IPv6 pool of an instance: a /48 in fd00::/8 (RFC 4193) derived from ``seed``, cut into /64."""
    digest = hashlib.sha256(seed.encode()).digest()[:5]
    return DefaultPool(f"{IPv6Address(bytes([0xFD]) + digest + bytes(10))}/48", 64)


def choose_subnet(pools: Iterable[DefaultPool], used: Collection[Subnet]) -> Subnet:
    """The first subnet of the pools that overlaps none of ``used`` (default routes there are ignored)."""
    taken = [subnet for subnet in used if subnet.prefixlen > 0]
    family = "IPv4"
    for pool in pools:
        base = ip_network(pool.base)
        family = f"IPv{base.version}"
        near = [subnet for subnet in taken if subnet.version == base.version and subnet.overlaps(base)]
        if any(_within(base, subnet) for subnet in near):
            continue
        for candidate in pool.subnets():
            if not any(candidate.overlaps(subnet) for subnet in near):
                return candidate
    raise InvalidParameter(EXHAUSTED.format(family=family))


def overlapping(left: Subnet, right: Subnet) -> bool:
    """Whether two subnets, of whatever versions, share addresses."""
    return left.version == right.version and left.overlaps(right)


def _within(inner: Subnet, outer: Subnet) -> bool:
    return inner.version == outer.version and inner.prefixlen >= outer.prefixlen and inner.overlaps(outer)


def check_pool(pool: Pool, others: Collection[Subnet]) -> Pool:
    """A pool as the client gave it, with subnet, range and addresses in canonical form and the gateway filled in.

    Raises InvalidParameter for text that is no subnet or an address outside of it, Forbidden when it overlaps ``others``.
    """
    try:
        interface = ip_network(pool.subnet, strict=False)
    except ValueError as error:
        raise InvalidParameter(f"Invalid subnet {pool.subnet} : invalid CIDR address: {pool.subnet}") from error
    if any(overlapping(interface, other) for other in others):
        raise Forbidden(OVERLAP)
    ip_range = ""
    if pool.ip_range:
        try:
            section = ip_network(pool.ip_range, strict=False)
        except ValueError as error:
            raise InvalidParameter(
                f"invalid ip-range {pool.ip_range}: invalid CIDR address: {pool.ip_range}"
            ) from error
        if not _within(section, interface):
            raise InvalidParameter(f"no matching subnet for range {pool.ip_range}")
        ip_range = str(section)
    aux = {}
    for name, value in pool.aux_addresses.items():
        address = _address(value)
        if address not in interface:
            raise InvalidParameter(f"no matching subnet for aux-address {value}")
        aux[name] = str(address)
    gateway = _address(pool.gateway) if pool.gateway else None
    if gateway is not None and gateway not in interface:
        raise InvalidParameter(f"no matching subnet for gateway {pool.gateway}")
    if gateway is None:
        reserved = {ip_address(value) for value in aux.values()}
        gateway = next((host for host in _usable(interface, ip_network(ip_range) if ip_range else interface)
                        if host not in reserved), None)  # fmt: skip
        if gateway is None:
            raise InvalidParameter(f"no available IPv{interface.version} addresses on this network's address pools")
    return Pool(str(interface), ip_range, str(gateway), aux)


def chosen_pool(subnet: Subnet) -> Pool:
    """The pool of a subnet that was chosen here: gateway first, everything else for endpoints."""
    return Pool(str(subnet), gateway=str(subnet.network_address + 1))


def allocate(pool: Pool, used: Collection[str], wanted: str = "") -> str:
    """An address of ``pool``: ``wanted`` if given, else the lowest free one (of its ip_range).

    ``used`` are addresses that endpoints hold. Raises Forbidden when the address is taken or the pool exhausted,
    InvalidParameter when ``wanted`` is outside the subnet. A wanted address may lie outside ip_range.
    """
    subnet = ip_network(pool.subnet)
    reserved = {pool.gateway, *pool.aux_addresses.values(), *used}
    if wanted:
        address = _address(wanted)
        if address not in subnet:
            raise InvalidParameter(f"Invalid address {wanted}: It does not belong to any of this network's subnets")
        unusable = subnet.num_addresses > 2 and address in _edges(subnet)
        if str(address) in reserved or unusable:
            raise Forbidden("Address already in use")
        return str(address)
    section = ip_network(pool.ip_range) if pool.ip_range else subnet
    first, last = _bounds(subnet, section)
    # At most len(reserved) candidates can be taken, so this ends after len(reserved) + 1 steps even in a /64.
    for number in range(first, min(last, first + len(reserved)) + 1):
        candidate = _text4(number) if subnet.version == 4 else str(IPv6Address(number))
        if candidate not in reserved:
            return candidate
    raise Forbidden(f"no available IPv{subnet.version} addresses on this network's address pools")


def _text4(number: int) -> str:
    """As str(IPv4Address(number)), without the object: the thousandth container of a network tries a thousand of them."""
    return socket.inet_ntoa(number.to_bytes(4, "big"))


def mac_of(ipv4: str) -> str:
    """The MAC address Docker gives to an endpoint with this address: 02:42 and its four bytes."""
    return ":".join(f"{byte:02x}" for byte in b"\x02\x42" + IPv4Address(ipv4).packed)


def mac_from(seed: str) -> str:
    """A stable locally administered unicast MAC for an endpoint without IPv4."""
    digest = hashlib.sha256(seed.encode()).digest()
    return ":".join(f"{byte:02x}" for byte in bytes([0x02]) + digest[:5])


def check_mac(text: str) -> str:
    """A unicast MAC in canonical form; InvalidParameter otherwise."""
    parts = text.replace("-", ":").split(":")
    try:
        octets = [int(part, 16) for part in parts]
    except ValueError:
        octets = []
    if len(octets) != 6 or not all(0 <= octet <= 255 for octet in octets):
        raise InvalidParameter(f"invalid MAC address: address {text}: invalid MAC address")
    if octets[0] & 1 or not any(octets):
        raise InvalidParameter(f"invalid MAC address: {text} is not a unicast address")
    return ":".join(f"{octet:02x}" for octet in octets)


def _address(text: str) -> Address:
    try:
        return ip_address(text)
    except ValueError as error:
        raise InvalidParameter(f"invalid IP address: {text}") from error


def _edges(subnet: Subnet) -> tuple[Address, ...]:
    """Addresses of a subnet no host may have: network and, for IPv4, broadcast."""
    if subnet.version == 4:
        return subnet.network_address, subnet.broadcast_address
    return (subnet.network_address,)


def _bounds(subnet: Subnet, section: Subnet) -> tuple[int, int]:
    """First and last usable address of ``section`` of ``subnet``, as integers."""
    first, last = int(section.network_address), int(section.broadcast_address)
    if subnet.num_addresses > 2:
        if first == int(subnet.network_address):
            first += 1
        if subnet.version == 4 and last == int(subnet.broadcast_address):
            last -= 1
    return first, last


def _usable(subnet: Subnet, section: Subnet) -> Iterator[Address]:
    first, last = _bounds(subnet, section)
    kind = IPv4Address if subnet.version == 4 else IPv6Address
    return (kind(number) for number in range(first, last + 1))
