"""Zone and resolver documents, and the texts of resolv.conf and hosts."""

from __future__ import annotations

import json
from pathlib import Path

from pycompose.engine.networks import resolvconf, zones
from pycompose.engine.networks.resolvconf import ResolvConf
from pycompose.engine.networks.types import ContainerRef, Endpoint, Network, Resolver


def endpoint(name: str, address: str, *aliases: str, ipv6: str = "") -> Endpoint:
    container = ContainerRef(id=name.encode().hex().ljust(64, "0"), name=f"proj-{name}-1")
    return Endpoint(
        id="e" + name, network_id="n" * 64, network_name="proj_default", container=container, ifname="eth0",
        ipv4_address=address, ipv6_address=ipv6, aliases=aliases, dns_names=zones.dns_names(container, aliases), attached=True,
    )  # fmt: skip


NETWORK = Network(id="n" * 64, name="proj_default", created="2026-01-01T00:00:00Z")


def test_zone_has_every_name_in_lower_case() -> None:
    content = zones.zone(NETWORK, [endpoint("db", "172.18.0.2", "DB", "mysql", ipv6="fd00::2")])
    assert content["network"] == NETWORK.id and content["name"] == "proj_default"
    for name in ("proj-db-1", "db", "mysql", "646200000000", "db.proj_default", "proj-db-1.proj_default"):
        assert content["names"][name] == ["172.18.0.2", "fd00::2"]
    assert "DB" not in content["names"]
    assert content["reverse"] == {"172.18.0.2": "proj-db-1.proj_default", "fd00::2": "proj-db-1.proj_default"}


def test_service_name_has_all_addresses() -> None:
    content = zones.zone(NETWORK, [endpoint("a", "172.18.0.2", "web"), endpoint("b", "172.18.0.3", "web")])
    assert content["names"]["web"] == ["172.18.0.2", "172.18.0.3"]


def test_links_are_private_names() -> None:
    table = zones.zone(NETWORK, [endpoint("db", "172.18.0.2", "db")])["names"]
    assert zones.link_names(["proj-db-1:Database", "db", "gone:x"], [table]) == {
        "database": ["172.18.0.2"],
        "db": ["172.18.0.2"],
    }


def test_resolver_document(tmp_path: Path) -> None:
    host = ResolvConf(("10.0.0.1",), ("example.org",), ("edns0",))
    upstream = resolvconf.upstream(host, Resolver(search=(".",)))
    path = tmp_path / "new" / "resolver.json"
    zones.write(path, zones.resolver([Path("/z/zone.json")], {"db": ["172.18.0.2"]}, upstream))
    assert json.loads(path.read_text()) == {
        "v": 1,
        "networks": ["/z/zone.json"],
        "names": {"db": ["172.18.0.2"]},
        "servers": ["10.0.0.1"],
        "search": [],
        "options": ["edns0"],
    }
    assert [entry.name for entry in path.parent.iterdir()] == ["resolver.json"]


def test_resolv_conf_parsing() -> None:
    text = "# comment\nnameserver 10.0.0.1\nnameserver fe80::1%eth0 ; two\ndomain a\nsearch b c\noptions ndots:2\noptions edns0\n"
    assert ResolvConf.parse(text) == ResolvConf(("10.0.0.1", "fe80::1%eth0"), ("b", "c"), ("ndots:2", "edns0"))


def test_user_defined_network_asks_the_embedded_resolver() -> None:
    host = ResolvConf(("10.0.0.1",), ("example.org",), ())
    made = resolvconf.container_resolv_conf(host, Resolver(), embedded=True, own_namespace=True)
    assert made == "search example.org\nnameserver 127.0.0.11\noptions ndots:0\n"
    wish = Resolver(("1.1.1.1",), ("a", "b"), ("ndots:3",))
    made = resolvconf.container_resolv_conf(host, wish, embedded=True, own_namespace=True)
    assert made == "search a b\nnameserver 127.0.0.11\noptions ndots:3\n"


def test_default_bridge_has_the_hosts_servers() -> None:
    host = ResolvConf(("127.0.0.53", "10.0.0.1"), (), ("edns0",))
    made = resolvconf.container_resolv_conf(host, Resolver(), embedded=False, own_namespace=True)
    assert made == "nameserver 10.0.0.1\noptions edns0\n"
    alone = ResolvConf(("127.0.0.53",))
    made = resolvconf.container_resolv_conf(alone, Resolver(), embedded=False, own_namespace=True)
    assert made == "nameserver 127.0.0.11\n"
    made = resolvconf.container_resolv_conf(alone, Resolver(), embedded=False, own_namespace=False)
    assert made == "nameserver 127.0.0.53\n"


def test_servers_behind_a_local_stub(tmp_path: Path) -> None:
    stub, behind = tmp_path / "stub", tmp_path / "behind"
    stub.write_text("nameserver 127.0.0.53\n")
    behind.write_text("nameserver 10.9.9.9\n")
    assert resolvconf.host_resolv_conf(stub, behind).servers == ("10.9.9.9",)
    behind.unlink()
    assert resolvconf.host_resolv_conf(stub, behind).servers == ("127.0.0.53",)
    assert resolvconf.host_resolv_conf(tmp_path / "none", behind) == ResolvConf()


def test_hosts() -> None:
    text = resolvconf.hosts_text(
        ["172.18.0.2", "fd00::2"],
        "web",
        "example.org",
        ["host.docker.internal:host-gateway", "six:[fd00::9]", "plain=10.0.0.9"],
        "172.18.0.1",
        [("172.18.0.7", ["db", "proj-db-1"])],
    )
    assert text.startswith("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n")
    assert text.splitlines()[6:] == [
        "172.18.0.1\thost.docker.internal",
        "fd00::9\tsix",
        "10.0.0.9\tplain",
        "172.18.0.7\tdb proj-db-1",
        "172.18.0.2\tweb.example.org web",
        "fd00::2\tweb.example.org web",
    ]


def test_hosts_with_the_hosts_network(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("127.0.0.1 localhost vm")
    made = resolvconf.host_network_hosts(["a:10.0.0.1", "b:host-gateway"], path)
    assert made == "127.0.0.1 localhost vm\n10.0.0.1\ta\n127.0.0.1\tb\n"


def test_a_full_name_has_its_short_one_beside_it() -> None:
    assert resolvconf.hosts_text(["10.0.0.2"], "web.example").splitlines()[-1] == "10.0.0.2\tweb.example web"
    assert resolvconf.hosts_text(["10.0.0.2"], "web").splitlines()[-1] == "10.0.0.2\tweb"
