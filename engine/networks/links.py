"""rtnetlink requests for links, addresses and routes, and the dumps that tell which subnets the host already uses.

A request is a header and attributes (netlink.py), written here as linux/if_link.h, if_addr.h and rtnetlink.h have them: a few
microseconds each. netlink.py sends them in batches.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
import sys
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface, ip_network
from typing import TYPE_CHECKING

from ..linux import userns
from .netlink import NLM_F_CREATE, NLM_F_EXCL, Netlink, NetlinkError, Request, attribute, nested, text, values

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

RTM_NEWLINK = 16
_RTM_DELLINK = 17
_RTM_GETLINK = 18
_RTM_NEWADDR = 20
_RTM_DELADDR = 21
_RTM_GETADDR = 22
_RTM_NEWROUTE = 24
_RTM_DELROUTE = 25
_RTM_GETROUTE = 26
IFF_UP = 1
_IFA_F_NODAD = 0x02
_RT_TABLE_MAIN = 254
_RTPROT_BOOT = 3
_RTN_UNICAST = 1
_ADDR_GEN_NONE = 1
_IFINFO = struct.Struct("=BxHiII")  # family, type, index, flags, change
_IFADDR = struct.Struct("=BBBBI")  # family, prefixlen, flags, scope, index
_RTMSG = struct.Struct("=BBBBBBBBI")  # family, dst_len, src_len, tos, table, protocol, scope, type, flags
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_MASTER = 1, 3, 4, 10
_IFLA_LINKINFO, _IFLA_AF_SPEC, _IFLA_GROUP, _IFLA_NET_NS_FD = 18, 26, 27, 28
_INFO_KIND, _INFO_DATA, _INFO_SLAVE_KIND, _INFO_SLAVE_DATA = 1, 2, 4, 5
_INET6_ADDR_GEN_MODE = 8
_BR_FORWARD_DELAY, _BR_STP_STATE = 1, 5
_BRPORT_MODE, _BRPORT_ISOLATED = 4, 33
_VETH_INFO_PEER = 1
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST = 1, 2, 4
_RTA_DST, _RTA_OIF, _RTA_GATEWAY = 1, 4, 5
_INNER_PORTS = frozenset({"veth", "tun", "dummy"})  # tun: taps too
_SIOCGIFMTU = 0x8921
_RELAYED_MTU = 65520
"""As with slirp4netns and pasta: the largest multiple of 16 that an IP packet can be."""
_SIOCGIFINDEX = 0x8933
_NAME_SIZE = 16


def _u8(kind: int, value: int) -> bytes:
    return attribute(kind, value.to_bytes(1, "little"))


def _u32(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=I", value))


def _mac(address: str) -> bytes:
    return attribute(_IFLA_ADDRESS, bytes.fromhex(address.replace(":", "")))


def _name(name: str) -> bytes:
    return text(_IFLA_IFNAME, name)


def _link(*attrs: bytes, index: int = 0, up: bool = False) -> bytes:
    flags = IFF_UP if up else 0
    return _IFINFO.pack(socket.AF_UNSPEC, 0, index, flags, flags) + b"".join(attrs)


def _no_link_local() -> bytes:
    if not os.path.exists("/proc/sys/net/ipv6"):
        return b""
    return nested(_IFLA_AF_SPEC, nested(socket.AF_INET6, _u8(_INET6_ADDR_GEN_MODE, _ADDR_GEN_NONE)))


def _info(kind: str, *data: bytes) -> bytes:
    return nested(_IFLA_LINKINFO, text(_INFO_KIND, kind), *([nested(_INFO_DATA, *data)] if data else []))


def add_bridge(name: str, mac: str, mtu: int) -> Request:
    """A bridge, down. A MAC of its own keeps it from changing address with its ports."""
    info = _info("bridge", _u32(_BR_FORWARD_DELAY, 0), _u32(_BR_STP_STATE, 0))
    payload = _link(_name(name), _mac(mac), _u32(_IFLA_MTU, mtu), info)
    return Request(f"create bridge {name}", RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, payload, (errno.EEXIST,))


def add_veth(name: str, bridge: int, peer: str, netns_fd: int, mac: str, mtu: int) -> Request:
    """A veth pair, both down: ``name`` here as a port of ``bridge`` (an index), ``peer`` in ``netns_fd``."""
    other = _link(_name(peer), _mac(mac), _u32(_IFLA_MTU, mtu), _u32(_IFLA_NET_NS_FD, netns_fd))
    info = _info("veth", nested(_VETH_INFO_PEER, other))
    payload = _link(_name(name), _u32(_IFLA_MTU, mtu), _u32(_IFLA_MASTER, bridge), info)
    return Request(f"create veth {name} to {peer}", RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, payload)


def port_options(name: str, isolated: bool) -> Request:
    """Hairpin on (a container reaches itself through its published port), no IPv6 link-local address (only possible once
    the link exists, only useful before it is up); ``isolated`` ports see only the bridge."""
    data = _u8(_BRPORT_MODE, 1) + (_u8(_BRPORT_ISOLATED, 1) if isolated else b"")
    slave = nested(_IFLA_LINKINFO, text(_INFO_SLAVE_KIND, "bridge"), nested(_INFO_SLAVE_DATA, data))
    return Request(f"set bridge port {name}", RTM_NEWLINK, 0, _link(_name(name), _no_link_local(), slave))


def set_master(name: str, master: int) -> Request:
    payload = _link(_name(name), _u32(_IFLA_MASTER, master), up=True)
    return Request(f"put {name} under its bridge", RTM_NEWLINK, 0, payload)


def rename(index: int, before: str, after: str) -> Request:
    """Another name for a link that is down."""
    return Request(f"rename link {before} to {after}", RTM_NEWLINK, 0, _link(_name(after), index=index))


def set_up(name: str) -> Request:
    return Request(f"bring up {name}", RTM_NEWLINK, 0, _link(_name(name), up=True))


def delete_link(name: str) -> Request:
    return Request(f"delete link {name}", _RTM_DELLINK, 0, _link(_name(name)), (errno.ENODEV,))


def set_group(name: str, group: int) -> Request:
    """Put a link into a group, so that many can be deleted at once."""
    payload = _link(_name(name), _u32(_IFLA_GROUP, group))
    return Request(f"mark link {name}", RTM_NEWLINK, 0, payload, (errno.ENODEV,))


def delete_group(group: int) -> Request:
    """Delete every link of a group; the kernel waits once for all of them (20 ms), not once for each."""
    return Request("delete links", _RTM_DELLINK, 0, _link(_u32(_IFLA_GROUP, group)), (errno.ENODEV,))


@dataclass(frozen=True, slots=True)
class Link:
    """A link, the index of the bridge it is a port of (0: of none), and its kind ("bridge", "veth"; "" of hardware)."""

    name: str
    index: int
    master: int
    kind: str


def all_links(netlink: Netlink) -> list[Link]:
    found = []
    for body in netlink.dump("list links", _RTM_GETLINK, _IFINFO.pack(0, 0, 0, 0, 0)):
        if len(body) < _IFINFO.size:
            continue
        told = values(body[_IFINFO.size :], _IFLA_IFNAME, _IFLA_MASTER, _IFLA_LINKINFO)
        master = int.from_bytes(told.get(_IFLA_MASTER, b"")[:4], sys.byteorder)
        kind = values(told.get(_IFLA_LINKINFO, b""), _INFO_KIND).get(_INFO_KIND, b"")
        name = os.fsdecode(told.get(_IFLA_IFNAME, b"").rstrip(b"\0"))  # a link's name need not be UTF-8
        found.append(Link(name, struct.unpack_from("=i", body, 4)[0], master, os.fsdecode(kind.rstrip(b"\0"))))
    return found


def uplink_bridges(links: Sequence[Link], default: Collection[int]) -> frozenset[str]:
    """The bridges through which a host reaches others: with a default route (``default``, indexes of links), or with a port that
    leads out of it (neither a container's nor a virtual machine's). Every other bridge is somebody's private network."""
    led_out = {link.master for link in links if link.master and link.kind not in _INNER_PORTS}
    return frozenset(link.name for link in links if link.kind == "bridge" and link.index in {*default, *led_out})


def outward_links(links: Sequence[Link], default: Collection[int]) -> frozenset[str]:
    """The links behind which others than this host's own containers and virtual machines are. ``default`` as above."""
    inner = _INNER_PORTS | {"bridge"}
    return uplink_bridges(links, default) | {
        link.name for link in links if link.kind not in inner or (link.index in default and not link.master)
    }


def _address(address: str, prefix: int, index: int) -> bytes:
    parsed = ip_address(address)
    family, flags = (socket.AF_INET, 0) if parsed.version == 4 else (socket.AF_INET6, _IFA_F_NODAD)
    payload = _IFADDR.pack(family, prefix, flags, 0, index)
    payload += attribute(_IFA_LOCAL, parsed.packed) + attribute(_IFA_ADDRESS, parsed.packed)
    if parsed.version == 4 and prefix < 31:
        network = ip_interface(f"{address}/{prefix}").network
        payload += attribute(_IFA_BROADCAST, network.broadcast_address.packed)
    return payload


def add_address(index: int, address: str, prefix: int) -> Request:
    """An address on link ``index``; IPv6 without duplicate address detection, which would cost a second."""
    payload = _address(address, prefix, index)
    return Request(f"add address {address}/{prefix}", _RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, payload, (errno.EEXIST,))


def delete_address(index: int, address: str, prefix: int) -> Request:
    payload = _address(address, prefix, index)
    return Request(f"delete address {address}/{prefix}", _RTM_DELADDR, 0, payload, (errno.EADDRNOTAVAIL,))


def add_default_route(index: int, gateway: str) -> Request:
    payload = _default_route(index, gateway)
    return Request(
        f"add default route via {gateway}", _RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, payload, (errno.EEXIST,)
    )


def delete_default_route(index: int, gateway: str) -> Request:
    return Request(
        f"delete default route via {gateway}", _RTM_DELROUTE, 0, _default_route(index, gateway), (errno.ESRCH,)
    )


def _default_route(index: int, gateway: str) -> bytes:
    parsed = ip_address(gateway)
    family = socket.AF_INET if parsed.version == 4 else socket.AF_INET6
    header = _RTMSG.pack(family, 0, 0, 0, _RT_TABLE_MAIN, _RTPROT_BOOT, 0, _RTN_UNICAST, 0)
    return header + _u32(_RTA_OIF, index) + attribute(_RTA_GATEWAY, parsed.packed)


def index_of(fd: int, name: str) -> int:
    """Index of a link in the namespace of socket ``fd``; 0 when there is none."""
    return _interface_ioctl(fd, _SIOCGIFINDEX, name, "look up link")


def mtu_of(fd: int, name: str) -> int:
    """MTU of a link in the namespace of socket ``fd`` (sysfs may show another one's); 0 when there is none."""
    return _interface_ioctl(fd, _SIOCGIFMTU, name, "read the MTU of")


def _interface_ioctl(fd: int, number: int, name: str, operation: str) -> int:
    if len(name.encode()) >= _NAME_SIZE:
        return 0  # no link has such a name
    request = struct.pack(f"{_NAME_SIZE}si20x", name.encode(), 0)
    try:
        answer = fcntl.ioctl(fd, number, request)
    except OSError as error:
        if error.errno == errno.ENODEV:
            return 0
        raise NetlinkError(f"{operation} {name}", error.errno or errno.EIO) from error
    return int(struct.unpack_from("i", answer, _NAME_SIZE)[0])


@dataclass(frozen=True, slots=True)
class Route:
    """One route or address of the host: its destination and the index of its link."""

    destination: IPv4Network | IPv6Network
    link: int


def default_links(netlink: Netlink) -> list[int]:
    """The links with a route to everywhere, in the kernel's order. A host with a thousand routes is asked this for each network
    that comes or goes, so nothing is made of the others."""
    found = []
    for body in netlink.dump("list routes", _RTM_GETROUTE, _RTMSG.pack(0, 0, 0, 0, 0, 0, 0, 0, 0)):
        family, length, _, _, _, _, _, kind = struct.unpack_from("=8B", body)
        if length == 0 and kind == _RTN_UNICAST and family in (socket.AF_INET, socket.AF_INET6):
            found.append(struct.unpack("=i", values(body[_RTMSG.size :], _RTA_OIF).get(_RTA_OIF, bytes(4)))[0])
    return found


def host_routes(netlink: Netlink) -> list[Route]:
    """Every subnet this namespace reaches or has an address in, default routes included (prefix 0)."""
    routes = []
    query = _RTMSG.pack(0, 0, 0, 0, 0, 0, 0, 0, 0)
    for body in netlink.dump("list routes", _RTM_GETROUTE, query):
        family, length, _, _, _, _, _, kind = struct.unpack_from("=8B", body)
        if kind != _RTN_UNICAST or family not in (socket.AF_INET, socket.AF_INET6):
            continue
        told = values(body[_RTMSG.size :], _RTA_DST, _RTA_OIF)
        size = 4 if family == socket.AF_INET else 16
        target = ip_network((told.get(_RTA_DST, bytes(size)), length), strict=False)
        routes.append(Route(target, struct.unpack("=i", told.get(_RTA_OIF, bytes(4)))[0]))
    routes += [
        Route(ip_network((address, length), strict=False), link) for address, length, link in _addresses(netlink)
    ]
    return routes


def host_addresses(netlink: Netlink) -> list[str]:
    return [str(ip_address(address)) for address, _, _ in _addresses(netlink)]


def addresses_of(netlink: Netlink, index: int) -> list[tuple[str, int]]:
    """Address and prefix length of every address of a link but the link-local ones, which the kernel gives it."""
    found = [(ip_address(address), length) for address, length, link in _addresses(netlink) if link == index]
    return [(str(address), length) for address, length in found if not address.is_link_local]


def _addresses(netlink: Netlink) -> list[tuple[bytes, int, int]]:
    """Address, prefix length and link of every address of this namespace."""
    found = []
    for body in netlink.dump("list addresses", _RTM_GETADDR, _IFADDR.pack(0, 0, 0, 0, 0)):
        family, length, _, _, link = _IFADDR.unpack_from(body)
        told = values(body[_IFADDR.size :], _IFA_LOCAL, _IFA_ADDRESS)
        address = told.get(_IFA_LOCAL) or told.get(_IFA_ADDRESS)
        if family in (socket.AF_INET, socket.AF_INET6) and address:
            found.append((address, length, link))
    return found


def uplink_mtu(netlink: Netlink) -> int:
    """The MTU of the link that carries the default route, 1500 without one. Without root nothing is routed: what leaves is read
    by the uplink, and larger packets are fewer."""
    if not userns.is_initial():
        return _RELAYED_MTU
    names = {link.index: link.name for link in all_links(netlink)}
    for index in default_links(netlink):
        if index in names:
            return mtu_of(netlink.fileno(), names[index]) or 1500
    return 1500
