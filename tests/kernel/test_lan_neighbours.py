"""Who reaches whom: neighbours on three LANs, containers of several networks, another engine's container, and the host.

Each attack sends a datagram of its own; afterwards one is sent that must arrive. What is not there by then was dropped.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.lan import NEIGHBOURS, PORT
from support.namespaces import Namespace

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root


class World:
    """The host from outside its namespace."""

    def __init__(self, host: Namespace) -> None:
        self._host = host
        self._marks = 0
        host.run(f"sys.path.insert(0, {str(Path(__file__).parents[1])!r}); from support.lan import Lab; lab = Lab()")
        self.at: dict[str, str] = self.ask("lab.addresses")

    def ask(self, expression: str) -> Any:
        return self._host.evaluate(expression)

    def forge(self, sender: str, source: str, target: str, port: int, payload: str, link: str = "eth0") -> None:
        packet = f"{source!r}, {target!r}, {port}, {payload.encode()!r}"
        self._host.run(f"lab.forge({sender!r}, {link!r}, {packet!r})")

    def say(self, sender: str, target: str, port: int, words: str, seconds: float = 3.0) -> str:
        return str(self.ask(f"lab.say({sender!r}, {target!r}, {port}, {words!r}, {seconds})"))

    def inside(self, name: str, source: str) -> Any:
        return self.ask(f"lab.spaces[{name!r}].evaluate({source!r})")

    def run_inside(self, name: str, source: str) -> None:
        self._host.run(f"lab.spaces[{name!r}].run({source!r})")

    def seen_by(self, name: str, payload: str) -> list[str]:
        found = list(self.inside(name, f"seen.until({payload!r})"))
        assert not [item for item in found if item.endswith("did not come")], found
        return found

    def bad_at(self, name: str) -> list[str]:
        """The attacks that have reached a container, after all that is under way has come."""
        self._marks += 1
        mark = f"mark {self._marks}"
        self.run_inside(
            name, f"socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto({mark!r}.encode(), ('127.0.0.1', {PORT}))"
        )
        return [item for item in self.seen_by(name, mark) if item.startswith("bad")]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    host = Namespace.make()
    try:
        made = World(host)
        yield made
        host.run("lab.close()")
        links = host.evaluate("[name for _, name in socket.if_nameindex()]")
        assert not [name for name in links if name.startswith(("pc", "pv"))]
    finally:
        host.close()


@pytest.mark.parametrize("who", NEIGHBOURS)
def test_neighbour_reaches_what_is_published_and_nothing_else(world: World, who: str) -> None:
    own, own6 = world.at[who], world.at[f"{who}6"]
    gateway = own.rpartition(".")[0] + ".1"
    bad = f"bad {who}"
    # ports on loopback addresses, asked for by name and by sources that a loopback address would explain
    world.forge(who, own, "127.0.0.1", 8001, f"{bad} published on loopback")
    world.forge(who, "127.0.0.1", "127.0.0.1", 8001, f"{bad} loopback to loopback")
    world.forge(who, "127.0.0.9", gateway, 8000, f"{bad} from loopback")
    world.forge(who, own6, "::1", 8001, f"{bad} published on loopback, IPv6")
    world.forge(who, own, "127.0.0.1", PORT + 1, f"{bad} the host's own loopback service")
    world.forge(who, "127.0.0.2", gateway, PORT, f"{bad} the host's service, from loopback")
    # containers by their addresses
    for name in ("one", "two", "three", "both.front"):
        world.forge(who, own, world.at[name], PORT, f"{bad} directly")
        world.forge(who, own6, world.at[f"{name}6"], PORT, f"{bad} directly, IPv6")
        world.forge(who, world.at[f"{name}.gateway"], world.at[name], PORT, f"{bad} as the gateway")
        world.forge(who, world.at["both.back"], world.at[name], PORT, f"{bad} as a container")
    world.forge(who, own, gateway, 8003, f"{bad} a port nobody published")
    if who != "near":
        world.forge(who, own, gateway, 8002, f"{bad} published on another address")
    assert world.say(who, gateway, 8000, f"good {who}") == f"answer to good {who}"
    assert f"good {who} from {own}" in world.seen_by("one", f"good {who}")
    assert not [item for name in ("one", "two", "three", "both") for item in world.bad_at(name)]
    assert world.say(who, gateway, PORT, f"host {who}") == f"answer to host {who}"
    assert not [item for item in world.ask(f"lab.host.until('host {who}')") if item.startswith("bad")]
    world.ask(f"udp('127.0.0.1', {PORT + 1})")
    assert set(world.ask("lab.loopback.until('hello')")) == {"hello from 127.0.0.1"}


def test_port_on_one_address_of_the_host(world: World) -> None:
    assert world.say("near", "10.231.0.1", 8002, "on it") == "answer to on it"
    assert world.ask("udp('127.0.0.1', 8001)") == "answer to hello"
    assert world.say("far", "10.231.1.1", 8002, "beside it", 0.3) in ("TimeoutError", "ConnectionRefusedError")


def test_container_reaches_no_other_network(world: World) -> None:
    own, own6 = world.at["one"], world.at["one6"]
    gateway, gateway6 = world.at["one.gateway"], world.at["one6.gateway"]
    for target in ("two", "three", "both.back"):
        world.forge("one", own, world.at[target], PORT, "bad directly")
        world.forge("one", own6, world.at[f"{target}6"], PORT, "bad directly, IPv6")
        for source in (gateway, world.at["near"], world.at["two"], "127.0.0.1"):
            world.forge("one", source, world.at[target], PORT, f"bad as {source}")
    world.forge("one", own, "127.0.0.1", PORT + 1, "bad host's loopback")
    world.forge("one", own, "127.0.0.1", 8001, "bad published on loopback")
    world.forge("one", own6, "::1", PORT, "bad host's loopback, IPv6")
    world.forge("one", "127.0.0.2", gateway, PORT, "bad as the host itself")
    world.forge("one", world.at["two"], gateway, PORT, "bad as another network's container")
    world.forge("one", world.at["near"], gateway, PORT, "bad as a neighbour")
    assert world.say("one", gateway, PORT, "good one") == "answer to good one"
    assert world.say("one", gateway6, PORT, "good six") == "answer to good six"
    assert not [item for item in world.ask("lab.host.until('good six')") if item.startswith("bad")]
    assert not [item for name in ("two", "three", "both") for item in world.bad_at(name)]
    world.ask(f"udp('127.0.0.1', {PORT + 1})")
    assert set(world.ask("lab.loopback.until('hello')")) == {"hello from 127.0.0.1"}
    assert not world.bad_at("one")


_ADVERTISE = "packets.send('eth0', '33:33:00:00:00:01', packets.advertisement('fe80::bad', 'fd66::'))"
_ROUTES = "open('/proc/net/ipv6_route').read() + open('/proc/net/if_inet6').read()"


def test_disguised_packets_pass_no_wall(world: World) -> None:
    """What must not pass as a plain packet does not with VLAN tags, source routes, in fragments or tunnels either; a plain one to
    where everybody may arrives in each of the first forms, so that they are no nonsense."""
    own, gateway = world.at["one"], world.at["one.gateway"]
    bridge = world.ask("lab.host_behind('one', 'eth0')")
    for target, port in (
        ("127.0.0.1", PORT + 1),
        ("127.0.0.1", 8001),
        (world.at["two"], PORT),
        (world.at["three"], PORT),
    ):
        for source in (own, "127.0.0.1", gateway):
            packet = f"packets.datagram({source!r}, {target!r}, {port}, b'bad in disguise')"
            world.run_inside("one", f"packets.disguised('eth0', {bridge!r}, {packet}, {gateway!r})")
    packet = f"packets.datagram({own!r}, {gateway!r}, {PORT}, b'good in disguise')"
    world.run_inside("one", f"packets.disguised('eth0', {bridge!r}, {packet}, {gateway!r})")
    assert world.say("one", gateway, PORT, "after disguises") == "answer to after disguises"
    seen = world.ask("lab.host.until('after disguises')")
    # by a priority tag, to everybody, and put together from fragments
    assert sum(item.startswith("good in disguise") for item in seen) >= 3, seen
    assert not [item for item in seen if item.startswith("bad")]
    assert not [item for name in ("one", "two", "three") for item in world.bad_at(name)]
    world.ask(f"udp('127.0.0.1', {PORT + 1})")
    assert set(world.ask("lab.loopback.until('hello')")) == {"hello from 127.0.0.1"}


def test_container_is_nobodys_router(world: World) -> None:
    """CVE-2020-10749 and CVE-2020-13401: what a container advertises is no route of the host's, nor of its neighbours'."""
    # Who takes advertisements does take this one: a neighbour of the LAN, from the host's end of the wire.
    world.ask(f"exec({_SETTLE!r})")
    for sender in ("one", "both", "three", "foreign"):
        world.run_inside(sender, _ADVERTISE)
    for name in ("one", "both.front"):
        assert world.say("one", world.at[name], PORT, f"after {name}") == f"answer to after {name}"
    assert world.say("one", world.at["one.gateway"], PORT, "after all") == "answer to after all"
    for name in ("one", "two", "both", "three"):
        assert "00bad" not in world.inside(name, _ROUTES) and "fd66" not in world.inside(name, _ROUTES), name
    assert "00bad" not in world.ask(_ROUTES) and "fd66" not in world.ask(_ROUTES)


def test_nobody_is_taken_for_the_host_or_for_a_container(world: World) -> None:
    """Whoever claims an address by ARP or neighbour discovery, sends frames as another, or knows a better way, gets nothing: what is
    published goes to the container still, and what leaves to the host."""
    for version in ("", "6"):
        gateway = world.at[f"one{version}.gateway"]
        assert world.say("one", gateway, PORT, f"before{version}") == f"answer to before{version}"
        for _ in range(3):
            for claimed, told in ((f"one{version}", gateway), (f"one{version}.gateway", world.at[f"one{version}"])):
                world.run_inside("both", f"packets.claim({_FRONT!r}, {world.at[claimed]!r}, {told!r})")
        assert world.say("one", gateway, PORT, f"to the host{version}", 1) == f"answer to to the host{version}"
        assert world.ask(f"udp({world.at[f'one{version}']!r}, {PORT})") == "answer to hello", version
    assert world.say("near", "10.231.0.1", 8000, "published") == "answer to published"
    frame = f"b'\\xff' * 6, bytes.fromhex({world.inside('one', _ADDRESS)!r}), 0x88B5, b''"
    world.run_inside("both", f"packets.send_frame({_FRONT!r}, {frame})")
    assert world.say("near", "10.231.0.1", 8000, "by its hardware address", 1) == "answer to by its hardware address"
    gateway, own, by = world.at["one.gateway"], world.at["one"], world.at["both.front"]
    world.run_inside("one", _SENDING.format(target=world.at["near"]))
    for words in ("before it", "after it"):  # only who is known to be there can be a better way
        assert world.say("one", by, PORT, words) == f"answer to {words}"
        world.run_inside("both", f"packets.redirect({_FRONT!r}, {gateway!r}, {own!r}, {world.at['near']!r}, {by!r})")
    assert world.say("one", by, PORT, "at the end") == "answer to at the end"
    world.run_inside("one", _WAY.format(target=world.at["near"]))
    assert world.inside("one", "way") == gateway


_FRONT = "eth0"
_ADDRESS = "packets.hardware_address('eth0').replace(':', '')"
_SENDING = """
sending = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sending.bind(("0.0.0.0", 4242))
sending.sendto(b"on its way", ("{target}", 9))
"""
_WAY = """
from pyroute2 import IPRoute
with IPRoute() as route:
    way = route.route("get", dst="{target}")[0].get_attr("RTA_GATEWAY")
"""


def test_addresses_are_given_back(world: World) -> None:
    """What holds an address to a container goes with it: the next one may have it, with another hardware address."""
    for mac in ("02:00:00:00:77:01", "02:00:00:00:77:02"):
        assert world.ask(f"lab.come_and_go('10.231.77.9', {mac!r})") == "answer to hello"
        assert not world.ask("lab.bound('10.231.77.9')")


_SETTLE = """
from support import packets
lab.spaces['guest'].run("open('/proc/sys/net/ipv6/conf/eth0/accept_ra', 'w').write('2')")
packets.send('lan2', '33:33:00:00:00:01', packets.advertisement('fe80::600d', 'fd67::'))
import time
ends = time.monotonic() + 5
while 'fd67' not in lab.spaces['guest'].evaluate("open('/proc/net/if_inet6').read()"):
    assert time.monotonic() < ends, 'the advertisement is none'
"""


def test_neighbour_that_forwards_brings_no_answer(world: World) -> None:
    """A container on both networks passes packets on; the answers, which go by the host, do not come back."""
    assert world.say("one", world.at["both.front"], PORT, "on the way") == "answer to on the way"
    for name, key in (("one", "both.front"), ("two", "both.back")):
        other = world.at["two" if name == "one" else "one"]
        world.run_inside(name, _ROUTE.format(target=other, by=world.at[key]))
    world.run_inside("both", "open('/proc/sys/net/ipv4/ip_forward', 'w').write('1')")
    world.run_inside("two", _NO_ROUTE.format(target=world.at["one"]))
    assert world.say("one", world.at["two"], PORT, "through the other", 0.5) == "TimeoutError"
    assert any(item.startswith("through the other") for item in world.seen_by("two", "through the other"))


_ROUTE = """
from pyroute2 import IPRoute
with IPRoute() as route:
    route.route("replace", dst="{target}/32", gateway="{by}")
"""
_NO_ROUTE = """
from pyroute2 import IPRoute
with IPRoute() as route:
    route.route("del", dst="{target}/32")
"""


def test_other_engine(world: World) -> None:
    """Its container is reached where it publishes a port, and reaches ours where we do; otherwise neither sees the other."""
    world.forge("one", world.at["one"], world.at["foreign"], PORT, "bad directly")
    world.forge("one", world.at["one6"], world.at["foreign6"], PORT, "bad directly, IPv6")
    world.forge("one", "10.231.9.1", world.at["foreign"], PORT, "bad as its gateway")
    assert world.say("one", "10.231.0.1", 8088, "good foreign") == "answer to good foreign"
    assert not world.bad_at("foreign")
    assert world.say("foreign", world.at["one"], PORT, "bad from foreign", 0.3) == "TimeoutError"
    assert world.say("foreign", "10.231.9.1", 8000, "good to us") == "answer to good to us"
    assert not world.bad_at("one")


def test_bridge_that_leads_out_is_no_wall(world: World) -> None:
    """A host whose LAN is on a bridge: containers go out over it."""
    assert world.say("one", world.at["near"], PORT, "to the LAN") == "answer to to the LAN"
    assert world.say("one", world.at["near6"], PORT, "to the LAN, IPv6") == "answer to to the LAN, IPv6"
    assert world.say("one", world.at["foreign"], PORT, "not yet", 0.3) == "TimeoutError"
    world.ask("lab.lead_out('docker0', True)")
    try:
        assert world.say("one", world.at["foreign"], PORT, "led out") == "answer to led out"
    finally:
        world.ask("lab.lead_out('docker0', False)")
    assert world.say("one", world.at["foreign"], PORT, "no more", 0.3) == "TimeoutError"


def test_internal_network_leaks_nothing(world: World) -> None:
    own, own6 = world.at["three"], world.at["three6"]
    for target in ("near", "far", "guest", "one", "two", "foreign"):
        world.forge("three", own, world.at[target], PORT, "bad from inside")
        world.forge("three", own6, world.at[f"{target}6"], PORT, "bad from inside, IPv6")
        world.forge("three", "10.231.0.1", world.at[target], PORT, "bad as the host")
    world.forge("three", own, "10.231.0.1", 8000, "bad to a published port")
    world.forge("three", own, world.at["three.gateway"], 8000, "bad to a published port by the gateway")
    assert world.say("three", world.at["three.gateway"], PORT, "good three") == "answer to good three"
    assert not [item for name in ("near", "far", "guest", "one", "two", "foreign") for item in world.bad_at(name)]


def test_table_that_somebody_flushed_comes_back(world: World) -> None:
    world.ask("lab.networks._kernel.table.delete()")
    world.forge("far", world.at["far"], world.at["two"], PORT, "nobody watches")
    assert "nobody watches from 10.231.1.2" in world.seen_by("two", "nobody watches")
    world.ask("lab.networks.check_firewall()")
    world.forge("guest", world.at["guest"], world.at["two"], PORT, "bad again")
    assert not world.bad_at("two")
    assert world.say("far", "10.231.1.1", 8000, "good again") == "answer to good again"
