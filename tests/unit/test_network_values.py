"""Network definitions, filters, records and port publication as values; nothing here touches the kernel."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest

from pycompose.engine.errors import EngineError, Forbidden, InvalidParameter, NotFound
from pycompose.engine.networks import (
    definition,
    endpoints,
    foreign,
    interface,
    ipam,
    kernel,
    listing,
    netlink,
    ports,
    types,
)
from pycompose.engine.networks.types import ContainerRef, Endpoint, EndpointRequest, Network, Pool, PortBinding

if TYPE_CHECKING:
    from pathlib import Path

NOW = int(datetime(2026, 1, 2, tzinfo=UTC).timestamp()) * 10**9


def parse(**body: Any) -> Network:
    return definition.parse({"Name": "net", **body}, "a" * 64, "2026-01-01T00:00:00.123456789Z", "pcabc1230000000")


def with_pools(network: Network, others: tuple[str, ...] = (), host: tuple[str, ...] = ()) -> Network:
    return definition.with_pools(
        network,
        [ip_network(item) for item in others],
        [ip_network(item) for item in host],
        ipam.DEFAULT_POOLS,
        [ipam.unique_local_pool("abc123")],
    )


def test_definition_and_record() -> None:
    network = with_pools(
        parse(
            Internal=True, Attachable=True, EnableIPv6=True, Labels={"a": "b"},
            IPAM={"Config": [{"Subnet": "10.1.0.0/24", "AuxiliaryAddresses": {"x": "10.1.0.5"}}], "Options": {"o": "1"}},
            Options={"com.docker.network.bridge.name": "br-mine", "com.docker.network.driver.mtu": "1400"},
        )
    )  # fmt: skip
    assert network.bridge == "br-mine" and not network.chosen
    assert network.pools[0] == Pool("10.1.0.0/24", "", "10.1.0.1", {"x": "10.1.0.5"})
    assert network.pools[1].subnet.startswith("fd")
    assert Network.from_record(network.record()) == network
    shown = listing.to_docker(network)
    assert shown["IPAM"]["Config"][0] == {
        "Subnet": "10.1.0.0/24", "Gateway": "10.1.0.1", "AuxiliaryAddresses": {"x": "10.1.0.5"},
    }  # fmt: skip
    assert shown["Internal"] and shown["EnableIPv6"] and shown["Driver"] == "bridge"


def test_chosen_subnets_avoid_host_and_others() -> None:
    network = with_pools(parse(), others=("172.17.0.0/16",), host=("172.18.5.0/24", "0.0.0.0/0"))
    assert network.pools == (Pool("172.19.0.0/16", "", "172.19.0.1"),)
    assert network.chosen


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        ({"Name": " "}, InvalidParameter, "name is empty"),
        ({"Name": "bridge"}, Forbidden, "operation is not permitted on predefined bridge network"),
        ({"Driver": "host"}, Forbidden, 'only one instance of "host" network is allowed'),
        ({"Driver": "foo"}, NotFound, 'plugin "foo" not found'),
        ({"Driver": "overlay"}, Forbidden, "This node is not a swarm manager"),
        ({"ConfigOnly": True, "Internal": True}, Forbidden, "Network operator fields"),
        ({"ConfigFrom": {"Network": "x"}}, NotFound, 'configuration network "x" does not exist'),
        ({"IPAM": {"Driver": "dhcp"}}, NotFound, 'plugin "dhcp" not found'),
        ({"Options": {"com.docker.network.bridge.name": "a/b"}}, InvalidParameter, "invalid bridge name"),
        ({"Options": {"com.docker.network.bridge.name": "sixteencharacter"}}, InvalidParameter, "invalid bridge name"),
        ({"Options": {"com.docker.network.driver.mtu": "abc"}}, InvalidParameter, "failed to parse"),
        ({"Driver": "macvlan", "Options": {"macvlan_mode": "x"}}, InvalidParameter, "macvlan mode 'x' is not valid"),
        ({"EnableIPv4": False}, InvalidParameter, "IPv4 or IPv6 must be enabled"),
    ],
)
def test_refused_definitions(body: dict[str, Any], error: type[EngineError], words: str) -> None:
    with pytest.raises(error, match=words):
        parse(**body)


def test_refused_pools() -> None:
    config = [{"Subnet": "10.1.0.0/24"}, {"Subnet": "10.2.0.0/24"}]
    with pytest.raises(InvalidParameter, match="bridge driver doesn't support multiple subnets"):
        with_pools(parse(IPAM={"Config": config}))
    with pytest.raises(InvalidParameter, match=r"no matching subnet for gateway 10\.1\.0\.1"):
        with_pools(parse(IPAM={"Config": [{"Gateway": "10.1.0.1"}]}))
    with pytest.raises(Forbidden, match="Pool overlaps"):
        with_pools(parse(IPAM={"Config": config[:1]}), others=("10.0.0.0/8",))


def test_filters() -> None:
    network = parse(Labels={"a": "b"})
    host = definition.predefined("host", "b" * 64, "2026-01-01T00:00:00Z", "", 0)
    for filters, expected in (
        ({"name": ["ne"]}, True),
        ({"name": ["x", "net"]}, True),
        ({"driver": ["host"]}, False),
        ({"id": ["aaaa"]}, True),
        ({"label": ["a"]}, True),
        ({"label": ["a=b", "c"]}, False),
        ({"type": ["custom"]}, True),
        ({"type": ["builtin"]}, False),
        ({"dangling": ["true"]}, True),
        ({"scope": ["local"]}, True),
    ):
        assert listing.matches(network, filters, in_use=False) is expected, filters
    assert listing.matches(host, {"type": ["builtin"]}, in_use=False)
    assert not listing.matches(network, {"dangling": ["true"]}, in_use=True)
    for bad in ({"foo": ["x"]}, {"type": ["x"]}, {"dangling": ["maybe"]}):
        with pytest.raises(InvalidParameter):
            listing.matches(network, bad, in_use=False)


def test_prune_filters() -> None:
    network = parse(Labels={"keep": ""})
    assert listing.prunable(network, {}, NOW)
    assert listing.prunable(network, {"until": ["12h"]}, NOW)
    assert not listing.prunable(network, {"until": ["48h30m"]}, NOW)
    assert not listing.prunable(network, {"until": ["2025-12-31T00:00:00"]}, NOW)
    assert listing.prunable(network, {"until": ["2026-01-01T00:00:01Z"]}, NOW)
    assert not listing.prunable(network, {"until": ["1700000000"]}, NOW)
    assert not listing.prunable(network, {"label!": ["keep"]}, NOW)
    assert not listing.prunable(network, {"label": ["other"]}, NOW)
    with pytest.raises(InvalidParameter, match="failed to parse value as time"):
        listing.prunable(network, {"until": ["yesterday"]}, NOW)


def container() -> ContainerRef:
    return ContainerRef("c" * 64, "web", "web")


def reserve(
    network: Network, request: EndpointRequest, used: tuple[str, ...] = (), taken: tuple[str, ...] = ()
) -> Endpoint:
    return endpoints.reserve(network, container(), request, endpoints.Fresh("e" * 64, "pvx", 0), used, taken)


def test_reserved_endpoint() -> None:
    network = with_pools(parse(IPAM={"Config": [{"Subnet": "10.1.0.0/24"}]}))
    made = reserve(network, EndpointRequest("net", aliases=("www",)), ("10.1.0.2",), ("eth0",))
    assert (made.ipv4_address, made.ipv4_prefix, made.ipv4_gateway) == ("10.1.0.3", 24, "10.1.0.1")
    assert (made.mac_address, made.ifname, made.veth) == ("02:42:0a:01:00:03", "eth1", "pvx")
    assert made.dns_names == ("web", "www", "c" * 12)
    assert Endpoint.from_record(made.record()) == made
    assert made.to_docker()["IPAddress"] == ""  # not attached yet
    internal = reserve(with_pools(parse(Internal=True)), EndpointRequest("net"))
    assert internal.ipv4_gateway == ""


def test_refused_requests() -> None:
    chosen = with_pools(parse())
    default = definition.predefined("bridge", "b" * 64, "", "pcx", 1500)
    fixed = with_pools(parse(IPAM={"Config": [{"Subnet": "10.1.0.0/24"}]}))
    for network, request, words in (
        (chosen, EndpointRequest("net", ipv4_address="172.17.0.9"), "networks with user configured subnets"),
        (default, EndpointRequest("bridge", aliases=("x",)), "network-scoped alias is supported only"),
        (default, EndpointRequest("bridge", ipv4_address="172.17.0.9"), "user defined networks only"),
        (fixed, EndpointRequest("net", ipv4_address="10.2.0.9"), "does not belong to any of this network's subnets"),
        (fixed, EndpointRequest("net", ipv4_address="fd00::1"), "invalid IPv4 address"),
        (fixed, EndpointRequest("net", ipv6_address="fd00::1"), "has no IPv6 subnet"),
        (fixed, EndpointRequest("net", mac_address="nope"), "invalid MAC address"),
        (fixed, EndpointRequest("net", link_local_ips=("x",)), "invalid link-local IP address"),
        (fixed, EndpointRequest("net", interface_name="a/b"), "invalid interface name"),
    ):
        with pytest.raises(InvalidParameter, match=words):
            reserve(network, request)
    with pytest.raises(Forbidden, match="already in use in the container"):
        reserve(fixed, EndpointRequest("net", interface_name="eth0"), taken=("eth0",))


def test_default_route_by_priority_then_name() -> None:
    def on(name: str, gateway: str, priority: int = 0, ipv6: str = "") -> Endpoint:
        return Endpoint(
            id=name, network_id=name, network_name=name, container=container(), ifname=name,
            ipv4_gateway=gateway, ipv6_gateway=ipv6, gw_priority=priority,
        )  # fmt: skip

    def names(*items: Endpoint) -> list[str]:
        return [route.ifname for route in interface.default_routes(items)]

    assert names(on("b", "10.0.0.1"), on("a", "10.1.0.1")) == ["a"]
    assert names(on("b", "10.0.0.1", 5), on("a", "10.1.0.1")) == ["b"]
    assert names(on("a", ""), on("b", "10.0.0.1", ipv6="fd00::1")) == ["b", "b"]
    assert names(on("a", "")) == []


def test_where_ports_lead() -> None:
    def pair(name: str, ipv4: str, ipv6: str = "", **values: Any) -> tuple[Network, Endpoint]:
        network = Network(id=name, name=name, created="", **values)
        place = Endpoint(
            id=name, network_id=name, network_name=name, container=container(), ipv4_address=ipv4, ipv6_address=ipv6
        )
        return network, place

    every = [PortBinding(80, host_ip="0.0.0.0", host_port=8080), PortBinding(80, host_ip="::", host_port=8080)]
    found = kernel.published_ports(every, [pair("b", "10.0.0.2"), pair("a", "10.1.0.2")])
    assert [(port.host_ip, port.address) for port in found] == [("0.0.0.0", "10.1.0.2")]
    found = kernel.published_ports(every, [pair("a", "10.1.0.2", "fd00::2")])
    assert [(port.host_ip, port.address) for port in found] == [("0.0.0.0", "10.1.0.2"), ("::", "fd00::2")]
    only = [PortBinding(80, host_ip="::1", host_port=8080)]
    found = kernel.published_ports(only, [pair("a", "10.1.0.2")])
    assert [(port.host_ip, port.address) for port in found] == [("127.255.255.254", "10.1.0.2")]
    assert kernel.published_ports(every, [pair("a", "10.1.0.2", internal=True)]) == ()
    assert kernel.published_ports(every, [pair("a", "10.1.0.2", driver="macvlan")]) == ()


def test_port_bindings_of_docker() -> None:
    assert PortBinding.from_docker("80/tcp", [{"HostIp": "127.0.0.1", "HostPort": "8080"}]) == (
        PortBinding(80, "tcp", "127.0.0.1", 8080),
    )
    assert PortBinding.from_docker("53/udp", [{"HostPort": "8000-8010"}]) == (PortBinding(53, "udp", "", 8000, 8010),)
    assert PortBinding.from_docker("80", None) == (PortBinding(80),)
    with pytest.raises(ValueError, match="invalid literal"):
        PortBinding.from_docker("x/tcp", None)


def test_endpoint_request_of_docker() -> None:
    body = {
        "IPAMConfig": {"IPv4Address": "10.1.0.9", "LinkLocalIPs": ["169.254.1.1"]},
        "Aliases": ["a"], "Links": ["db:database"], "MacAddress": "02:00:00:00:00:01", "GwPriority": 7,
        "DriverOpts": {types.ENDPOINT_IFNAME: "lan0"},
    }  # fmt: skip
    made = EndpointRequest.from_docker("net", body)
    assert (made.ipv4_address, made.link_local_ips, made.interface_name) == ("10.1.0.9", ("169.254.1.1",), "lan0")
    assert (made.gw_priority, made.links, made.aliases) == (7, ("db:database",), ("a",))
    assert EndpointRequest.from_docker("net", None) == EndpointRequest("net")


def test_host_addresses_of_a_binding() -> None:
    assert ports.expand(PortBinding(80)) == ("0.0.0.0", "::")
    assert ports.expand(PortBinding(80, host_ip="[::1]")) == ("::1",)
    assert ports.expand(PortBinding(80), "10.0.0.1") == ("10.0.0.1",)
    assert ports.overlap("0.0.0.0", "127.0.0.1") and ports.overlap("", "::1")
    assert not ports.overlap("::", "127.0.0.1") and not ports.overlap("127.0.0.1", "127.0.0.2")


def test_endpoint_sysctls() -> None:
    asked = "net.ipv4.conf.IFNAME.log_martians=1, net.ipv6.conf.ifname.mtu=1400,"
    assert interface.endpoint_sysctls({types.ENDPOINT_SYSCTLS: asked}, "eth0") == [
        ("net/ipv4/conf/eth0/log_martians", "1"),
        ("net/ipv6/conf/eth0/mtu", "1400"),
    ]
    for wrong in (
        "bad",
        "net.ipv4.conf.eth0.mtu=1",
        "kernel.x.conf.IFNAME.y=1",
        "net.ipv4.conf.IFNAME./x=1",
        "net.ipv4.conf.IFNAME.x",
    ):
        with pytest.raises(InvalidParameter, match="unrecognised network interface sysctl"):
            interface.endpoint_sysctls({types.ENDPOINT_SYSCTLS: wrong})


def test_kernel_refusals_name_operation_and_reason() -> None:
    words = netlink.attribute(1, b"the kernel says so\0")
    payload = struct.pack("=iIHHII", -17, 16, 0, 0, 0, 0) + words
    assert netlink.refusal(0x100 | 0x200, payload) == (17, "the kernel says so")
    assert netlink.refusal(0, struct.pack("=i", 0)) == (0, "")
    assert str(netlink.NetlinkError("create bridge x", 17, "words")) == "create bridge x: File exists (words)"


def test_legacy_xtables_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, empty = tmp_path / "ip", tmp_path / "ip6"
    loaded.write_text("nat\nfilter\n")
    empty.write_text("")
    monkeypatch.setattr(foreign, "_LEGACY", {"ip": loaded, "ip6": empty})
    (warning,) = foreign._legacy_tables(["pcabc123*"])
    assert (
        "iptables-legacy -I FORWARD -o pcabc123+ -j ACCEPT; iptables-legacy -I FORWARD -i pcabc123+ -j ACCEPT"
        in warning
    )
