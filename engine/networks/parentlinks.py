"""rtnetlink requests for links over a parent of the host: macvlan, ipvlan, vlan, and the dummy that stands in for one.

pyroute2's message classes do the encoding. It costs 50 ms and 10 MB to import, so that happens at the first use: few engines have
such networks. What every container needs is encoded in links.py, in microseconds.
"""

from __future__ import annotations

import errno
import threading
from typing import TYPE_CHECKING, Any

from .links import IFF_UP, RTM_NEWLINK
from .netlink import NLM_F_CREATE, NLM_F_EXCL, Request

if TYPE_CHECKING:
    from collections.abc import Mapping

MACVLAN_MODES = ("private", "vepa", "bridge", "passthru")
IPVLAN_MODES = {"l2": 0, "l3": 1, "l3s": 2}

_CREATE = NLM_F_CREATE | NLM_F_EXCL
_importing = threading.Lock()
"""pyroute2's modules import each other in circles, which Python's import locks turn into an error when two threads come at once."""


def add_macvlan(name: str, parent: int, mode: str, netns_fd: int, mac: str, mtu: int) -> Request:
    """A macvlan of ``parent`` (an index here), down in ``netns_fd``; ``mtu`` 0 is the parent's."""
    members: dict[str, str | int] = {"IFLA_ADDRESS": mac, "IFLA_LINK": parent, "IFLA_NET_NS_FD": netns_fd}
    payload = _link(name, "macvlan", {"IFLA_MACVLAN_MODE": mode}, members, mtu)
    return Request(f"create macvlan {name}", RTM_NEWLINK, _CREATE, payload)


def add_ipvlan(name: str, parent: int, mode: str, netns_fd: int, mtu: int) -> Request:
    """An ipvlan of ``parent`` (an index here), down in ``netns_fd``; it shares the parent's MAC."""
    members = {"IFLA_LINK": parent, "IFLA_NET_NS_FD": netns_fd}
    payload = _link(name, "ipvlan", {"IFLA_IPVLAN_MODE": IPVLAN_MODES[mode]}, members, mtu)
    return Request(f"create ipvlan {name}", RTM_NEWLINK, _CREATE, payload)


def add_vlan(name: str, parent: int, tag: int) -> Request:
    """A VLAN subinterface of ``parent``, up."""
    payload = _link(name, "vlan", {"IFLA_VLAN_ID": tag}, {"IFLA_LINK": parent}, up=True)
    return Request(f"create vlan {name}", RTM_NEWLINK, _CREATE, payload)


def add_dummy(name: str) -> Request:
    """A dummy link, up: the parent of a macvlan network without one."""
    return Request(f"create dummy {name}", RTM_NEWLINK, _CREATE, _link(name, "dummy", up=True), (errno.EEXIST,))


def _link(
    name: str,
    kind: str,
    data: Mapping[str, str | int] | None = None,
    members: Mapping[str, str | int] | None = None,
    mtu: int = 0,
    *,
    up: bool = False,
) -> bytes:
    """What follows the header of a request: netlink.py writes that one."""
    with _importing:
        from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
    info = {"attrs": [("IFLA_INFO_KIND", kind), *([("IFLA_INFO_DATA", {"attrs": [*data.items()]})] if data else [])]}
    untyped: Any = ifinfmsg
    message = untyped()
    message["flags"] = message["change"] = IFF_UP if up else 0
    message["attrs"] = [
        ("IFLA_IFNAME", name), *(members or {}).items(), *([("IFLA_MTU", mtu)] if mtu else []), ("IFLA_LINKINFO", info),
    ]  # fmt: skip
    message.encode()
    return bytes(message.data[16:])
