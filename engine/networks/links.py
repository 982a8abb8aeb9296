"""rtnetlink requests for links, addresses and routes, and the dumps that tell which subnets the host already uses.

pyroute2's message classes do the encoding (0.06 to 0.2 ms a message); netlink.py sends the results in batches. pyroute2 is
imported at first use: it costs 50 ms and 10 MB, and only an engine that has containers needs it. Its sockets
are not used: they run an event loop each and cost more than the requests.
"""

from __future__ import annotations

import errno
import fcntl
import functools
import os
import socket
import struct
import threading
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any, NamedTuple

from .netlink import NLM_F_CREATE, NLM_F_EXCL, Netlink, NetlinkError, Request, attributes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_RTM_NEWLINK = 16
_RTM_DELLINK = 17
_RTM_GETLINK = 18
_RTM_NEWADDR = 20
_RTM_GETADDR = 22
_RTM_NEWROUTE = 24
_RTM_DELROUTE = 25
_RTM_GETROUTE = 26
_IFF_UP = 1
_IFA_F_NODAD = 0x02
_RT_TABLE_MAIN = 254
_RTPROT_BOOT = 3
_RTN_UNICAST = 1
_ADDR_GEN_NONE = 1
_INNER_PORTS = frozenset({"veth", "tun", "dummy"})  # tun: taps too
_SIOCGIFMTU = 0x8921
_SIOCGIFINDEX = 0x8933
_NAME_SIZE = 16

MACVLAN_MODES = ("private", "vepa", "bridge", "passthru")
IPVLAN_MODES = {"l2": 0, "l3": 1, "l3s": 2}


class Messages(NamedTuple):
    """pyroute2's message classes that are used here."""

    link: Any
    address: Any
    route: Any


_loading = threading.Lock()


def messages() -> Messages:
    """The classes, imported at the first call. Under a lock of our own: pyroute2's modules import each other in circles,
    which Python's import locks turn into a deadlock error when two threads come at once."""
    with _loading:
        return _load()


@functools.cache
def _load() -> Messages:
    from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
    from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
    from pyroute2.netlink.rtnl.rtmsg import rtmsg

    return Messages(ifinfmsg, ifaddrmsg, rtmsg)


def _encode(kind: Any, fields: dict[str, int], attrs: list[tuple[str, Any]]) -> bytes:
    message = kind()
    for name, value in fields.items():
        message[name] = value
    message["attrs"] = attrs
    message.encode()
    return bytes(message.data[16:])  # netlink.py writes the nlmsghdr


def _link(fields: dict[str, int], attrs: list[tuple[str, Any]]) -> bytes:
    return _encode(messages().link, {"family": socket.AF_UNSPEC, **fields}, attrs)


def _no_link_local() -> list[tuple[str, Any]]:
    if not os.path.exists("/proc/sys/net/ipv6"):
        return []
    return [("IFLA_AF_SPEC", {"attrs": [("AF_INET6", {"attrs": [("IFLA_INET6_ADDR_GEN_MODE", _ADDR_GEN_NONE)]})]})]


def _info(kind: str, data: Sequence[tuple[str, Any]] = ()) -> tuple[str, Any]:
    attrs: list[tuple[str, Any]] = [("IFLA_INFO_KIND", kind)]
    if data:
        attrs.append(("IFLA_INFO_DATA", {"attrs": list(data)}))
    return "IFLA_LINKINFO", {"attrs": attrs}


def add_bridge(name: str, mac: str, mtu: int) -> Request:
    """A bridge, down. A MAC of its own keeps it from changing address with its ports."""
    attrs: list[tuple[str, Any]] = [
        ("IFLA_IFNAME", name),
        ("IFLA_ADDRESS", mac),
        ("IFLA_MTU", mtu),
        _info("bridge", [("IFLA_BR_FORWARD_DELAY", 0), ("IFLA_BR_STP_STATE", 0)]),
    ]
    return Request(f"create bridge {name}", _RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, _link({}, attrs), (errno.EEXIST,))


def add_veth(name: str, bridge: int, peer: str, netns_fd: int, mac: str, mtu: int) -> Request:
    """A veth pair, both down: ``name`` here as a port of ``bridge`` (an index), ``peer`` in ``netns_fd``."""
    other = [("IFLA_IFNAME", peer), ("IFLA_ADDRESS", mac), ("IFLA_MTU", mtu), ("IFLA_NET_NS_FD", netns_fd)]
    attrs: list[tuple[str, Any]] = [
        ("IFLA_IFNAME", name),
        ("IFLA_MTU", mtu),
        ("IFLA_MASTER", bridge),
        _info("veth", [("VETH_INFO_PEER", {"attrs": other})]),
    ]
    return Request(f"create veth {name} to {peer}", _RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, _link({}, attrs))


def port_options(name: str, isolated: bool) -> Request:
    """Hairpin on (a container reaches itself through its published port), no IPv6 link-local address (only possible once
    the link exists, only useful before it is up); ``isolated`` ports see only the bridge."""
    data: list[tuple[str, Any]] = [("IFLA_BRPORT_MODE", 1)]
    if isolated:
        data.append(("IFLA_BRPORT_ISOLATED", 1))
    slave = (
        "IFLA_LINKINFO",
        {"attrs": [("IFLA_INFO_SLAVE_KIND", "bridge"), ("IFLA_INFO_SLAVE_DATA", {"attrs": data})]},
    )
    payload = _link({}, [("IFLA_IFNAME", name), *_no_link_local(), slave])
    return Request(f"set bridge port {name}", _RTM_NEWLINK, 0, payload)


def add_macvlan(name: str, parent: int, mode: str, netns_fd: int, mac: str, mtu: int) -> Request:
    """A macvlan of ``parent`` (an index here), down in ``netns_fd``."""
    attrs: list[tuple[str, Any]] = [("IFLA_IFNAME", name), ("IFLA_ADDRESS", mac), ("IFLA_LINK", parent)]
    if mtu:
        attrs.append(("IFLA_MTU", mtu))
    attrs += [("IFLA_NET_NS_FD", netns_fd), _info("macvlan", [("IFLA_MACVLAN_MODE", mode)])]
    return Request(f"create macvlan {name}", _RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, _link({}, attrs))


def add_ipvlan(name: str, parent: int, mode: str, netns_fd: int, mtu: int) -> Request:
    """An ipvlan of ``parent`` (an index here), down in ``netns_fd``; it shares the parent's MAC."""
    attrs: list[tuple[str, Any]] = [("IFLA_IFNAME", name), ("IFLA_LINK", parent)]
    if mtu:
        attrs.append(("IFLA_MTU", mtu))
    attrs += [("IFLA_NET_NS_FD", netns_fd), _info("ipvlan", [("IFLA_IPVLAN_MODE", IPVLAN_MODES[mode])])]
    return Request(f"create ipvlan {name}", _RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, _link({}, attrs))


def add_vlan(name: str, parent: int, tag: int) -> Request:
    """A VLAN subinterface of ``parent``, up."""
    payload = _link(
        {"flags": _IFF_UP, "change": _IFF_UP},
        [("IFLA_IFNAME", name), ("IFLA_LINK", parent), _info("vlan", [("IFLA_VLAN_ID", tag)])],
    )
    return Request(f"create vlan {name}", _RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, payload)


def add_dummy(name: str) -> Request:
    """A dummy link, up: the parent of a macvlan network without one."""
    payload = _link({"flags": _IFF_UP, "change": _IFF_UP}, [("IFLA_IFNAME", name), _info("dummy")])
    return Request(f"create dummy {name}", _RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, payload, (errno.EEXIST,))


def set_master(name: str, master: int) -> Request:
    payload = _link({"flags": _IFF_UP, "change": _IFF_UP}, [("IFLA_IFNAME", name), ("IFLA_MASTER", master)])
    return Request(f"put {name} under its bridge", _RTM_NEWLINK, 0, payload)


def rename(index: int, before: str, after: str) -> Request:
    """Another name for a link that is down."""
    return Request(
        f"rename link {before} to {after}", _RTM_NEWLINK, 0, _link({"index": index}, [("IFLA_IFNAME", after)])
    )


def set_up(name: str) -> Request:
    payload = _link({"flags": _IFF_UP, "change": _IFF_UP}, [("IFLA_IFNAME", name)])
    return Request(f"bring up {name}", _RTM_NEWLINK, 0, payload)


def delete_link(name: str) -> Request:
    return Request(f"delete link {name}", _RTM_DELLINK, 0, _link({}, [("IFLA_IFNAME", name)]), (errno.ENODEV,))


def set_group(name: str, group: int) -> Request:
    """Put a link into a group, so that many can be deleted at once."""
    payload = _link({}, [("IFLA_IFNAME", name), ("IFLA_GROUP", group)])
    return Request(f"mark link {name}", _RTM_NEWLINK, 0, payload, (errno.ENODEV,))


def delete_group(group: int) -> Request:
    """Delete every link of a group; the kernel waits once for all of them (20 ms), not once for each."""
    return Request("delete links", _RTM_DELLINK, 0, _link({}, [("IFLA_GROUP", group)]), (errno.ENODEV,))


@dataclass(frozen=True, slots=True)
class Link:
    """A link, the index of the bridge it is a port of (0: of none), and its kind ("bridge", "veth"; "" of hardware)."""

    name: str
    index: int
    master: int
    kind: str


def all_links(netlink: Netlink) -> list[Link]:
    found = []
    # struct ifinfomsg: family, pad, type, index, flags, change
    for body in netlink.dump("list links", _RTM_GETLINK, struct.pack("=BBHiII", 0, 0, 0, 0, 0, 0)):
        values = dict(attributes(body[16:]))
        master = struct.unpack("=i", values.get(10, bytes(4)))[0]
        kind = dict(attributes(values.get(18, b""))).get(1, b"")  # IFLA_LINKINFO, IFLA_INFO_KIND
        name = values[3].rstrip(b"\0").decode()
        found.append(Link(name, struct.unpack_from("=i", body, 4)[0], master, kind.rstrip(b"\0").decode()))
    return found


def uplink_bridges(links: Sequence[Link], routes: Iterable[Route]) -> frozenset[str]:
    """The bridges through which a host reaches others: with a default route, or with a port that leads out of it (neither
    a container's nor a virtual machine's). Every other bridge is somebody's private network."""
    default = {route.link for route in routes if route.destination.prefixlen == 0}
    led_out = {link.master for link in links if link.master and link.kind not in _INNER_PORTS}
    return frozenset(link.name for link in links if link.kind == "bridge" and link.index in default | led_out)


def _address(address: str, prefix: int, index: int) -> bytes:
    family = socket.AF_INET if ip_address(address).version == 4 else socket.AF_INET6
    flags = _IFA_F_NODAD if family == socket.AF_INET6 else 0
    fields = {"family": family, "prefixlen": prefix, "index": index, "flags": flags}
    return _encode(messages().address, fields, [("IFA_LOCAL", address), ("IFA_ADDRESS", address)])


def add_address(index: int, address: str, prefix: int) -> Request:
    """An address on link ``index``; IPv6 without duplicate address detection, which would cost a second."""
    payload = _address(address, prefix, index)
    return Request(f"add address {address}/{prefix}", _RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, payload, (errno.EEXIST,))


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
    family = socket.AF_INET if ip_address(gateway).version == 4 else socket.AF_INET6
    fields = {"family": family, "table": _RT_TABLE_MAIN, "proto": _RTPROT_BOOT, "type": _RTN_UNICAST, "scope": 0}
    return _encode(messages().route, fields, [("RTA_OIF", index), ("RTA_GATEWAY", gateway)])


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


def host_routes(netlink: Netlink) -> list[Route]:
    """Every subnet this namespace reaches or has an address in, default routes included (prefix 0)."""
    routes = []
    # struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags
    query = struct.pack("=BBBBBBBBI", 0, 0, 0, 0, 0, 0, 0, 0, 0)
    for body in netlink.dump("list routes", _RTM_GETROUTE, query):
        family, length, _, _, _, _, _, kind = struct.unpack_from("=8B", body)
        if kind != _RTN_UNICAST or family not in (socket.AF_INET, socket.AF_INET6):
            continue
        values = dict(attributes(body[12:]))
        size = 4 if family == socket.AF_INET else 16
        target = ip_network((values.get(1, bytes(size)), length), strict=False)
        routes.append(Route(target, struct.unpack("=i", values.get(4, bytes(4)))[0]))
    routes += [
        Route(ip_network((address, length), strict=False), link) for address, length, link in _addresses(netlink)
    ]
    return routes


def host_addresses(netlink: Netlink) -> list[str]:
    return [str(ip_address(address)) for address, _, _ in _addresses(netlink)]


def _addresses(netlink: Netlink) -> list[tuple[bytes, int, int]]:
    """Address, prefix length and link of every address of this namespace."""
    found = []
    # struct ifaddrmsg: family, prefixlen, flags, scope, index
    for body in netlink.dump("list addresses", _RTM_GETADDR, struct.pack("=BBBBI", 0, 0, 0, 0, 0)):
        family, length, _, _, link = struct.unpack_from("=BBBBI", body)
        values = dict(attributes(body[8:]))
        address = values.get(2) or values.get(1)  # IFA_LOCAL, else IFA_ADDRESS
        if family in (socket.AF_INET, socket.AF_INET6) and address:
            found.append((address, length, link))
    return found


def uplink_mtu(netlink: Netlink) -> int:
    """The MTU of the link that carries the default route, 1500 without one."""
    names = {link.index: link.name for link in all_links(netlink)}
    for route in host_routes(netlink):
        if route.destination.prefixlen == 0 and route.link in names:
            return mtu_of(netlink.fileno(), names[route.link]) or 1500
    return 1500
