"""A host of its own, in a network namespace, for tests of who reaches whom: one engine's networks, another engine's bridge,
and three neighbours, each on a LAN of its own behind a link of the host.

    near 10.231.0.2 ─ lan0 ┐          ┌ front: one, both      (IPv4 and IPv6)
     far 10.231.1.2 ─ lan1 ┤   host   ├ back:  two, both
   guest 10.231.2.2 ─ lan2 ┘          ├ shut:  three          (internal)
                                      └ docker0: foreign      (another engine's; its port 9000 is published as 8088)

``Lab`` is made inside the host's namespace, by a process that ``tests.support.namespaces`` started.
"""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path

from pycompose.engine.layout import Layout
from pycompose.engine.networks import ContainerRef, EndpointRequest, Networks, PortBinding, links
from pycompose.engine.networks.expressions import (
    CMP_EQ,
    NFPROTO_IPV4,
    REG_1,
    REG_2,
    compare,
    expression,
    payload,
    value,
)
from pycompose.engine.networks.inside import inside
from pycompose.engine.networks.netlink import NETLINK_NETFILTER, NLM_F_APPEND, NLM_F_CREATE, Netlink, be32, nested, text
from pycompose.engine.networks.nft import IPV4, NEWCHAIN, NEWRULE, NEWTABLE, Batch
from pycompose.engine.store import Store

from .namespaces import Namespace
from .packets import Recorder, hardware_address

NEIGHBOURS = ("near", "far", "guest")
PORT = 9000
_TESTS = str(Path(__file__).parents[1])


class Lab:
    def __init__(self) -> None:
        self._root = tempfile.TemporaryDirectory()
        self._store = Store(Layout.for_root(self._root.name).database)
        self.networks = Networks(Layout.for_root(self._root.name), self._store, lambda *event: None)
        self.spaces: dict[str, Namespace] = {}
        self.addresses: dict[str, str] = {}
        self.sockets: list[int] = []
        self.host = Recorder(PORT)
        self.loopback = Recorder(PORT + 1, "127.0.0.1")
        for number, name in enumerate(NEIGHBOURS):
            self._plug(name, f"lan{number}", 0, f"10.231.{number}", f"fd31:{number}")
            self._address(f"lan{number}", f"10.231.{number}.1", f"fd31:{number}::1")
        with Netlink() as netlink:
            netlink.run([links.add_bridge("docker0", "02:00:00:00:88:01", 1500), links.set_up("docker0")])
        self._address("docker0", "10.231.9.1", "fd31:9::1")
        self._plug("foreign", "vethforeign", socket.if_nametoindex("docker0"), "10.231.9", "fd31:9")
        self._publish_foreign()
        self.networks.create({"Name": "front", "EnableIPv6": True})
        self.networks.create({"Name": "back", "EnableIPv6": True})
        self.networks.create({"Name": "shut", "Internal": True, "EnableIPv6": True})
        everywhere = PortBinding(PORT, "udp", host_port=8000)
        only_here = PortBinding(PORT, "udp", host_port=8001, host_ip="127.0.0.1")
        on_one_lan = PortBinding(PORT, "udp", host_port=8002, host_ip="10.231.0.1")
        self.networks.create({"Name": "known", "IPAM": {"Config": [{"Subnet": "10.231.77.0/24"}]}})
        self._start("one", ["front"], [everywhere, only_here, on_one_lan])
        self._start("two", ["back"], [])
        self._start("both", ["front", "back"], [])
        self._start("three", ["shut"], [])
        for space in self.spaces.values():
            space.run(f"sys.path.insert(0, {_TESTS!r}); from support import packets; seen = packets.Recorder({PORT})")
        bridges = Path("/proc/sys/net/bridge")
        if bridges.is_dir():  # as dockerd leaves it: what crosses a bridge is seen by netfilter
            for name in ("bridge-nf-call-iptables", "bridge-nf-call-ip6tables"):
                (bridges / name).write_text("1")

    def _plug(self, name: str, outer: str, bridge: int, prefix: str, prefix6: str) -> None:
        space = self.spaces[name] = Namespace.make()
        mac = f"02:00:00:00:99:{len(self.spaces):02x}"
        with Netlink() as netlink:
            netlink.run([links.add_veth(outer, bridge, "eth0", space.fd, mac, 1500), links.set_up(outer)])
        self.addresses |= {name: f"{prefix}.2", f"{name}6": f"{prefix6}::2"}

        def configure() -> None:
            index = socket.if_nametoindex("eth0")
            with Netlink() as netlink:
                netlink.run(
                    [
                        links.set_up("eth0"),
                        links.add_address(index, f"{prefix}.2", 24),
                        links.add_address(index, f"{prefix6}::2", 64),
                    ]
                )
                gateways = (f"{prefix}.1", f"{prefix6}::1")
                netlink.run([links.add_default_route(index, gateway) for gateway in gateways])

        inside(space.fd, configure)

    def _address(self, link: str, address: str, address6: str) -> None:
        index = socket.if_nametoindex(link)
        with Netlink() as netlink:
            netlink.run([links.add_address(index, address, 24), links.add_address(index, address6, 64)])

    def _start(self, name: str, networks: list[str], ports: list[PortBinding]) -> None:
        ref = ContainerRef(name.encode().hex().ljust(64, "0"), name)
        made = self.networks.allocate(ref, [EndpointRequest(network) for network in networks], ports)
        self.sockets += made.sockets
        space = self.spaces[name] = Namespace.make()
        space.run("from pycompose.engine.runtime import netns; netns.settle()")
        self.networks.attach(ref.id, space.fd, space.rtnl_fd)
        for endpoint in self.networks.endpoints(ref.id):
            which = name if len(networks) == 1 else f"{name}.{endpoint.network_name}"
            self.addresses |= {
                which: endpoint.ipv4_address,
                f"{which}6": endpoint.ipv6_address,
                f"{which}.gateway": self.networks.get(endpoint.network_name).pools[0].gateway,
                f"{which}6.gateway": self.networks.get(endpoint.network_name).pools[1].gateway,
            }

    def _publish_foreign(self) -> None:
        """What dockerd does for -p 8088:9000/udp, without what its FORWARD chain would drop."""
        batch = Batch()
        hook = nested(4, be32(1, 0), be32(2, 0xFFFFFFFF & -100))
        batch.add(NEWTABLE, IPV4, text(1, "nat"), be32(2, 0), flags=NLM_F_CREATE)
        batch.add(
            NEWCHAIN, IPV4, text(1, "nat"), text(3, "PREROUTING"), hook, be32(5, 1), text(7, "nat"), flags=NLM_F_CREATE
        )
        target = socket.inet_aton(self.addresses["foreign"])
        rule = (
            payload(2, 2, 2, REG_1) + compare(CMP_EQ, (8088).to_bytes(2, "big"))
            + expression("immediate", be32(1, REG_1), value(2, target))
            + expression("immediate", be32(1, REG_2), value(2, PORT.to_bytes(2, "big")))
            + expression("nat", be32(1, 1), be32(2, NFPROTO_IPV4), be32(3, REG_1), be32(5, REG_2))
        )  # fmt: skip
        names = (text(1, "nat"), text(2, "PREROUTING"))
        batch.add(NEWRULE, IPV4, *names, nested(4, rule), flags=NLM_F_CREATE | NLM_F_APPEND)
        with Netlink(NETLINK_NETFILTER) as netlink:
            netlink.transact("publish", batch.data())

    # what tests ask ---------------------------------------------------------------------------------------------------
    def forge(self, sender: str, link: str, packet: str) -> None:
        """``packet`` is the arguments of ``packets.datagram`` as Python text; it goes to the host over ``link``."""
        mac = self.host_behind(sender, link)
        self.spaces[sender].run(f"packets.send({link!r}, {mac!r}, packets.datagram({packet}))")

    def host_behind(self, name: str, link: str) -> str:
        """The host's hardware address at the other end of a link."""
        return hardware_address(f"lan{NEIGHBOURS.index(name)}" if name in NEIGHBOURS else self.bridge_of(name, link))

    def bridge_of(self, name: str, link: str) -> str:
        ref = name.encode().hex().ljust(64, "0")
        network = next(one.network_name for one in self.networks.endpoints(ref) if one.ifname == link)
        return self.networks.get(network).bridge

    def lead_out(self, bridge: str, leads: bool) -> None:
        """Give a bridge the host's default route, or take it away; the engine looks around."""
        index, gateway = socket.if_nametoindex(bridge), self.addresses["foreign"]
        change = links.add_default_route if leads else links.delete_default_route
        with Netlink() as netlink:
            netlink.run([change(index, gateway)])
        self.networks.check_firewall()

    def say(self, sender: str, target: str, port: int, words: str, seconds: float = 3.0) -> str:
        """Send by an ordinary socket; the answer, or the name of the error."""
        source = (
            f"(lambda s: (s.settimeout({seconds}), s.sendto({words!r}.encode(), ({target!r}, {port})), s.recv(200).decode())[2])"
            f"(socket.socket(socket.AF_INET6 if ':' in {target!r} else socket.AF_INET, socket.SOCK_DGRAM))"
        )
        self.spaces[sender].run(f"try: answer = {source}\nexcept OSError as error: answer = type(error).__name__")
        return str(self.spaces[sender].evaluate("answer"))

    def come_and_go(self, address: str, mac: str) -> str:
        """A container that is on a network for a moment: what it answers to the host."""
        ref = ContainerRef(b"passing".hex().ljust(64, "0"), "passing")
        self.networks.allocate(ref, [EndpointRequest("known", ipv4_address=address, mac_address=mac)], [])
        space = Namespace.make()
        try:
            self.networks.attach(ref.id, space.fd, space.rtnl_fd)
            space.run(f"serve_udp({PORT}, 'hello')")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
                asking.settimeout(3)
                asking.sendto(b"", (address, PORT))
                return "answer to " + asking.recv(200).decode().split()[0]
        finally:
            self.networks.detach(ref.id, space.fd)
            space.close()

    def bound(self, address: str) -> bool:
        """Whether an address belongs to somebody for good, as the host sees it."""
        lines = [line.split() for line in Path("/proc/net/arp").read_text().splitlines()]
        return any(line[0] == address and int(line[2], 16) & 0x4 for line in lines[1:])  # ATF_PERM

    def close(self) -> None:
        for space in self.spaces.values():
            space.close()
        self.networks.shutdown()
        self._store.close()
        self._root.cleanup()
