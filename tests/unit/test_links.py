"""rtnetlink requests, read back by a decoder that is not ours: every field is where linux/if_link.h has it."""

from __future__ import annotations

from typing import Any

import pytest
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from pycompose.engine.networks import links, parentlinks
from pycompose.engine.networks.netlink import Request, attribute, message, nested, values

MAC = "02:42:ac:11:00:02"


def plain(value: Any) -> Any:
    """pyroute2's nested messages as dictionaries of their attributes."""
    if isinstance(value, dict) and "attrs" in value:
        return {name: plain(inner) for name, inner, *_ in value["attrs"]}
    return value


def decoded(kind: type[Any], request: Request) -> tuple[Any, dict[str, Any]]:
    """The message, for its header's fields, and its attributes."""
    found = kind(message(request.kind, request.flags, 1, request.payload))
    found.decode()
    return found, plain(found)


def info(kind: str, **data: int) -> dict[str, Any]:
    return {"IFLA_INFO_KIND": kind, **({"IFLA_INFO_DATA": data} if data else {})}


def test_bridge() -> None:
    header, found = decoded(ifinfmsg, links.add_bridge("pc1", MAC, 1400))
    assert (header["flags"], header["change"], header["index"]) == (0, 0, 0)
    assert found == {
        "IFLA_IFNAME": "pc1",
        "IFLA_ADDRESS": MAC,
        "IFLA_MTU": 1400,
        "IFLA_LINKINFO": info("bridge", IFLA_BR_FORWARD_DELAY=0, IFLA_BR_STP_STATE=0),
    }


def test_veth_pair() -> None:
    _, found = decoded(ifinfmsg, links.add_veth("pv1", 7, "eth0", 33, MAC, 1500))
    peer = found["IFLA_LINKINFO"]["IFLA_INFO_DATA"]["VETH_INFO_PEER"]
    assert peer == {"IFLA_IFNAME": "eth0", "IFLA_ADDRESS": MAC, "IFLA_MTU": 1500, "IFLA_NET_NS_FD": 33}
    assert (found["IFLA_IFNAME"], found["IFLA_MASTER"], found["IFLA_MTU"]) == ("pv1", 7, 1500)
    assert found["IFLA_LINKINFO"]["IFLA_INFO_KIND"] == "veth"


@pytest.mark.parametrize("isolated", [False, True])
def test_port_options(isolated: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links.os.path, "exists", lambda path: True)
    _, found = decoded(ifinfmsg, links.port_options("pv1", isolated))
    wanted = {"IFLA_BRPORT_MODE": 1} | ({"IFLA_BRPORT_ISOLATED": 1} if isolated else {})
    assert found["IFLA_LINKINFO"] == {"IFLA_INFO_SLAVE_KIND": "bridge", "IFLA_INFO_SLAVE_DATA": wanted}
    assert found["IFLA_AF_SPEC"]["AF_INET6"]["IFLA_INET6_ADDR_GEN_MODE"] == 1


def test_port_options_without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links.os.path, "exists", lambda path: False)
    assert "IFLA_AF_SPEC" not in decoded(ifinfmsg, links.port_options("pv1", False))[1]


@pytest.mark.parametrize(("mode", "value"), [("private", 1), ("vepa", 2), ("bridge", 4), ("passthru", 8)])
def test_macvlan(mode: str, value: int) -> None:
    _, found = decoded(ifinfmsg, parentlinks.add_macvlan("m0", 3, mode, 33, MAC, 0))
    (shown,) = found["IFLA_LINKINFO"]["IFLA_INFO_DATA"].values()
    assert shown in (mode, value)
    assert (found["IFLA_LINK"], found["IFLA_NET_NS_FD"], found["IFLA_ADDRESS"]) == (3, 33, MAC)
    assert "IFLA_MTU" not in found
    assert decoded(ifinfmsg, parentlinks.add_macvlan("m0", 3, mode, 33, MAC, 1400))[1]["IFLA_MTU"] == 1400


@pytest.mark.parametrize(("mode", "value"), parentlinks.IPVLAN_MODES.items())
def test_ipvlan(mode: str, value: int) -> None:
    _, found = decoded(ifinfmsg, parentlinks.add_ipvlan("i0", 3, mode, 33, 1400))
    (shown,) = found["IFLA_LINKINFO"]["IFLA_INFO_DATA"].values()
    assert shown in (mode, value)
    assert (found["IFLA_LINK"], found["IFLA_NET_NS_FD"], found["IFLA_MTU"]) == (3, 33, 1400)


def test_links_that_come_up() -> None:
    for request, kind in ((parentlinks.add_vlan("eth0.7", 2, 7), "vlan"), (parentlinks.add_dummy("d0"), "dummy")):
        header, found = decoded(ifinfmsg, request)
        assert (header["flags"], header["change"]) == (1, 1)
        assert found["IFLA_LINKINFO"]["IFLA_INFO_KIND"] == kind
    _, vlan = decoded(ifinfmsg, parentlinks.add_vlan("eth0.7", 2, 7))
    assert (vlan["IFLA_LINK"], vlan["IFLA_LINKINFO"]["IFLA_INFO_DATA"]) == (2, {"IFLA_VLAN_ID": 7})
    header, found = decoded(ifinfmsg, links.set_up("eth0"))
    assert (header["flags"], header["change"], found) == (1, 1, {"IFLA_IFNAME": "eth0"})


def test_changes_of_a_link() -> None:
    assert decoded(ifinfmsg, links.set_master("pv1", 9))[1] == {"IFLA_IFNAME": "pv1", "IFLA_MASTER": 9}
    header, found = decoded(ifinfmsg, links.rename(4, "spare", "eth1"))
    assert (header["index"], header["flags"], found) == (4, 0, {"IFLA_IFNAME": "eth1"})
    assert decoded(ifinfmsg, links.delete_link("pv1"))[1] == {"IFLA_IFNAME": "pv1"}
    assert decoded(ifinfmsg, links.set_group("pv1", 0x50000001))[1]["IFLA_GROUP"] == 0x50000001
    assert decoded(ifinfmsg, links.delete_group(0x50000001))[1] == {"IFLA_GROUP": 0x50000001}


@pytest.mark.parametrize(("address", "family", "flags"), [("172.18.0.2", 2, 0), ("fd00::2", 10, 2)])
def test_addresses(address: str, family: int, flags: int) -> None:
    """IPv6 without duplicate address detection."""
    header, found = decoded(ifaddrmsg, links.add_address(5, address, 24))
    assert [header[name] for name in ("family", "prefixlen", "flags", "scope", "index")] == [family, 24, flags, 0, 5]
    broadcast = {"IFA_BROADCAST": "172.18.0.255"} if family == 2 else {}
    assert found == {"IFA_LOCAL": address, "IFA_ADDRESS": address} | broadcast


@pytest.mark.parametrize(("gateway", "family"), [("172.18.0.1", 2), ("fd00::1", 10)])
def test_default_routes(gateway: str, family: int) -> None:
    for request in (links.add_default_route(5, gateway), links.delete_default_route(5, gateway)):
        header, found = decoded(rtmsg, request)
        fields = [header[name] for name in ("family", "dst_len", "table", "proto", "scope", "type", "flags")]
        assert fields == [family, 0, 254, 3, 0, 1, 0]
        assert found == {"RTA_OIF": 5, "RTA_GATEWAY": gateway}


def test_bridges_that_lead_out() -> None:
    """By a default route, or by a port that is neither a container's nor a virtual machine's."""
    found = [
        links.Link("br0", 1, 0, "bridge"),
        links.Link("br1", 2, 0, "bridge"),
        links.Link("br2", 3, 0, "bridge"),
        links.Link("eth0", 4, 2, ""),
        links.Link("veth0", 5, 3, "veth"),
        links.Link("tap0", 6, 3, "tun"),
    ]
    assert links.uplink_bridges(found, [1]) == {"br0", "br1"}
    assert links.uplink_bridges(found, []) == {"br1"}


def test_wanted_attributes_only() -> None:
    data = attribute(3, b"eth0\0") + nested(18, attribute(1, b"veth\0")) + attribute(23, bytes(96))
    assert values(data, 3, 10) == {3: b"eth0\0"}
    assert values(data, 18) == {18: attribute(1, b"veth\0")}  # without the flag of a nest
    assert values(data + b"\2\0", 3) == {3: b"eth0\0"}
    assert values(b"", 3) == values(bytes(8), 3) == {}  # a length of nothing ends it


def test_which_links_lead_out() -> None:
    """Where router advertisements may be taken from: no bridge of another engine, no port of one."""
    found = [
        links.Link("eth0", 2, 0, ""),
        links.Link("bond0", 3, 0, "bond"),
        links.Link("br-lan", 4, 0, "bridge"),
        links.Link("eth1", 5, 4, ""),
        links.Link("docker0", 6, 0, "bridge"),
        links.Link("veth1", 7, 6, "veth"),
        links.Link("virbr0", 8, 0, "bridge"),
        links.Link("tap0", 9, 8, "tun"),
        links.Link("inner", 10, 0, "veth"),
        links.Link("spare", 11, 0, "veth"),
    ]
    assert links.outward_links(found, [10]) == {"eth0", "bond0", "br-lan", "eth1", "inner"}
