"""engine/networks against the real kernel: traffic between namespaces, published ports, isolation, recovery, nothing left."""

from __future__ import annotations

import json
import os
import resource
import socket
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.namespaces import Namespace

from pycompose.engine.errors import Conflict, EngineError, Forbidden, InvalidParameter
from pycompose.engine.layout import Layout
from pycompose.engine.networks import Allocation, ContainerRef, EndpointRequest, Networks, PortBinding, links
from pycompose.engine.networks.inside import inside
from pycompose.engine.networks.kernel import Kernel
from pycompose.engine.networks.netlink import NETLINK_NETFILTER, Netlink, attributes
from pycompose.engine.networks.nft import GETRULE, GETTABLE, SUBSYSTEM, UNSPEC, nfgen
from pycompose.engine.networks.ports import PortTaken
from pycompose.engine.networks.types import Resolver
from pycompose.engine.runtime import netns, relay
from pycompose.engine.runtime.loop import Loop
from pycompose.engine.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = pytest.mark.root


def wait_until(check: Any, seconds: float = 5.0) -> None:
    """The kernel dismantles namespaces in its own time; poll, since nothing tells."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "condition not reached"
        time.sleep(0.02)


def tables() -> set[str]:
    with Netlink(NETLINK_NETFILTER) as netlink:
        found = netlink.dump("list tables", SUBSYSTEM << 8 | GETTABLE, nfgen(UNSPEC))
    return {dict(attributes(body[4:]))[1].rstrip(b"\0").decode() for body in found}


def foreign_rules(table: str) -> list[bytes]:
    with Netlink(NETLINK_NETFILTER) as netlink:
        found = netlink.dump("list rules", SUBSYSTEM << 8 | GETRULE, nfgen(UNSPEC))
    return [body for body in found if table.encode() in dict(attributes(body[4:])).get(7, b"")]


class Instance:
    """One engine's networks with stand-in containers."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout.for_root(root)
        self.store = Store(self.layout.database)
        self.events: list[tuple[str, str]] = []
        self.networks = self.load()
        self.running: dict[str, Namespace] = {}
        self.sockets: dict[str, Sequence[int]] = {}

    def load(self) -> Networks:
        return Networks(self.layout, self.store, lambda kind, action, id, attrs: self.events.append((kind, action)))

    def links(self) -> list[str]:
        short = self.layout.instance[:4]
        return [name for _, name in socket.if_nameindex() if name.startswith((f"pc{short}", f"pv{short}"))]

    def start(
        self, name: str, *networks: str | EndpointRequest, ports: Sequence[PortBinding] = ()
    ) -> tuple[Namespace, Allocation]:
        container = ref(name)
        requests = [item if isinstance(item, EndpointRequest) else EndpointRequest(item) for item in networks]
        allocation = self.networks.allocate(container, requests, ports)
        namespace = Namespace.make()
        self.running[container.id] = namespace
        self.sockets[container.id] = allocation.sockets
        self.networks.attach(container.id, namespace.fd, namespace.rtnl_fd)
        return namespace, replace(allocation, endpoints=self.networks.endpoints(container.id))

    def stop(self, name: str) -> None:
        id = ref(name).id
        self.networks.detach(id, self.running[id].fd)
        self.running.pop(id).close()
        for fd in self.sockets.pop(id):
            os.close(fd)

    def close(self) -> None:
        for id in list(self.running):
            self.networks.detach(id)
            self.running.pop(id).close()
            for fd in self.sockets.pop(id, ()):
                os.close(fd)
        self.networks.shutdown()
        self.store.close()
        wait_until(lambda: not self.links())
        assert f"pycompose_{self.layout.instance}" not in tables()
        assert not foreign_rules(f"pycompose_{self.layout.instance}")
        assert not (self.layout.run / "networks").exists()


def ref(name: str) -> ContainerRef:
    return ContainerRef(id=name.encode().hex().ljust(64, "0"), name=name, hostname=name)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    made = Instance(tmp_path / "root")
    yield made
    made.close()


def addresses(link: str) -> set[str]:
    """Of a link, but those that the kernel gives it."""
    with Netlink() as netlink:
        return {address for address, _ in links.addresses_of(netlink, links.index_of(netlink.fileno(), link))}


def bound(link: str) -> dict[str, str]:
    """The neighbours behind a link that nobody can change by what he says."""
    lines = [line.split() for line in Path("/proc/net/arp").read_text().splitlines()[1:]]
    return {line[0]: line[3] for line in lines if line[5] == link and int(line[2], 16) & 0x4}  # ATF_PERM


def own_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.77", 9))
        return str(probe.getsockname()[0])


def tcp(host: str, port: int, timeout: float = 3.0) -> str:
    try:
        with socket.create_connection((host, port), timeout=timeout) as peer:
            return peer.recv(200).decode()
    except OSError as error:
        return type(error).__name__


def udp(host: str, port: int, timeout: float = 3.0) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(timeout)
        try:
            peer.sendto(b"hello", (host, port))
            return peer.recv(200).decode()
        except OSError as error:
            return type(error).__name__


def test_two_containers_reach_each_other(instance: Instance) -> None:
    network = instance.networks.create({"Name": "front"})
    one, first = instance.start("one", "front")
    two, second = instance.start("two", "front")
    one.run("serve_tcp(80, 'one')")
    address = first.endpoints[0].ipv4_address
    assert two.evaluate(f"tcp({address!r}, 80)") == f"one {second.endpoints[0].ipv4_address}"
    # what the container sees
    assert one.evaluate("open('/proc/net/route').read().count('eth0')") == 2
    assert one.evaluate("open('/proc/sys/net/ipv6/conf/eth0/disable_ipv6').read().strip()") == "1"
    mtu = Path(f"/sys/class/net/{network.bridge}/mtu").read_text()
    assert one.evaluate("[name for _, name in socket.if_nameindex()]")[:1] == ["lo"]
    assert "eth0" in one.evaluate("[name for _, name in socket.if_nameindex()]")
    uplink = next(
        line.split()[0] for line in Path("/proc/net/route").read_text().splitlines() if line.split()[1] == "00000000"
    )
    assert mtu == Path(f"/sys/class/net/{uplink}/mtu").read_text()
    inspected = instance.networks.inspect(network)
    prefix = inspected["IPAM"]["Config"][0]["Subnet"].partition("/")[2]
    assert inspected["Containers"][ref("one").id]["IPv4Address"] == f"{address}/{prefix}"
    with pytest.raises(
        Forbidden, match=r'has active endpoints \(name:"one" id:"[0-9a-f]{12}", name:"two" id:"[0-9a-f]{12}"\)'
    ):
        instance.networks.remove("front")
    instance.stop("one")
    instance.stop("two")
    instance.networks.remove("front")
    assert network.bridge not in [name for _, name in socket.if_nameindex()]
    assert instance.events == [("network", event) for event in (
        "create", "connect", "connect", "disconnect", "disconnect", "destroy")]  # fmt: skip


def test_published_port_from_everywhere(instance: Instance) -> None:
    instance.networks.create({"Name": "front"})
    instance.networks.create({"Name": "other"})
    ports = [PortBinding(80), PortBinding(53, "udp")]
    web, allocation = instance.start("web", "front", ports=ports)
    web.run("serve_tcp(80, 'web'); serve_udp(53, 'dns')")
    port = allocation.ports[0].host_port
    datagram = next(item.host_port for item in allocation.ports if item.protocol == "udp")
    assert {item.host_ip for item in allocation.ports} == {"0.0.0.0", "::"}
    gateway = allocation.endpoints[0].ipv4_gateway
    host = own_address()
    assert tcp("127.0.0.1", port) == f"web {gateway}"
    assert tcp("127.0.0.5", port).startswith("web ")
    assert tcp(host, port).startswith("web ")
    assert tcp(gateway, port).startswith("web ")
    assert tcp(allocation.endpoints[0].ipv4_address, 80).startswith("web ")
    assert udp("127.0.0.1", datagram).startswith("dns ")
    assert udp(host, datagram).startswith("dns ")
    neighbour, _ = instance.start("neighbour", "front")
    stranger, _ = instance.start("stranger", "other")
    for client in (neighbour, stranger, web):
        assert client.evaluate(f"tcp({host!r}, {port})").startswith("web ")
        assert client.evaluate(f"tcp({gateway!r}, {port})").startswith("web ")
        assert client.evaluate(f"udp({host!r}, {datagram})").startswith("dns ")
    with relays(allocation):
        assert tcp("::1", port) == f"web {gateway}"
    instance.stop("web")
    assert tcp("127.0.0.1", port) == "ConnectionRefusedError"


@contextmanager
def relays(allocation: Allocation) -> Iterator[None]:
    """What the shim does with the sockets it holds."""
    loop = Loop()
    served = [relay.Relay(loop, os.dup(fd)) for fd in allocation.sockets if relay.wanted(fd)]
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield
    finally:
        wake, woken = os.pipe()
        loop.watch(wake, lambda _: loop.stop())
        os.close(woken)
        thread.join()
        os.close(wake)
        for item in served:
            item.close()
        loop.close()


def test_port_on_ipv6_only(instance: Instance) -> None:
    web, allocation = instance.start("web", "bridge", ports=[PortBinding(80, host_ip="::1")])
    web.run("serve_tcp(80, 'web')")
    port = allocation.ports[0].host_port
    with relays(allocation):
        assert tcp("::1", port).startswith("web ")
        assert tcp("127.0.0.1", port) == "ConnectionRefusedError"
    instance.stop("web")
    web, allocation = instance.start("web", "bridge", ports=[PortBinding(81, host_ip="::1")])
    web.run(
        "listener = socket.create_server(('', 81))\n"
        "def loop():\n"
        "    peer, _ = listener.accept()\n"
        "    with peer:\n"
        "        while data := peer.recv(65536): peer.sendall(data)\n"
        "threading.Thread(target=loop, daemon=True).start()\n"
    )
    # much data, in both directions at once, each closed on its own
    sent = os.urandom(1 << 21)
    with relays(allocation), socket.create_connection(("::1", allocation.ports[0].host_port), timeout=5) as peer:

        def send() -> None:
            peer.sendall(sent)
            peer.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        received = b""
        while data := peer.recv(65536):
            received += data
        sender.join()
    assert received == sent


def test_port_on_one_address(instance: Instance) -> None:
    web, allocation = instance.start("web", "bridge", ports=[PortBinding(80, host_ip="127.0.0.1")])
    web.run("serve_tcp(80, 'web')")
    port = allocation.ports[0].host_port
    assert tcp("127.0.0.1", port).startswith("web ")
    assert tcp(own_address(), port) == "ConnectionRefusedError"
    assert [item.host_ip for item in allocation.ports] == ["127.0.0.1"]


def test_container_cannot_reach_loopback_of_the_host(instance: Instance) -> None:
    """route_localnet is on for the bridge; the raw chain must make up for it."""
    client, allocation = instance.start("client", "bridge")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        gateway = allocation.endpoints[0].ipv4_gateway
        client.run(
            "from pycompose.engine.networks.netlink import Netlink\n"
            "from pycompose.engine.networks import links\n"
            "open('/proc/sys/net/ipv4/conf/eth0/route_localnet', 'w').write('1')\n"
            "import struct, fcntl\n"
        )
        # a route to 127.0.0.1 through the bridge: what an attacker with NET_ADMIN would set
        client.run(
            "from pycompose.engine.networks.netlink import Request, attribute\n"
            "payload = struct.pack('=8BI', 2, 32, 0, 0, 254, 3, 0, 1, 0)\n"
            "payload += attribute(1, socket.inet_aton('127.0.0.9'))\n"  # RTA_DST
            f"payload += attribute(5, socket.inet_aton('{gateway}'))\n"  # RTA_GATEWAY
            "payload += attribute(4, struct.pack('=I', socket.if_nametoindex('eth0')))\n"  # RTA_OIF
            "netlink = Netlink(); netlink.run([Request('route', 24, 0x400, payload)])\n"
            "open('/proc/sys/net/ipv4/conf/lo/route_localnet', 'w').write('0')\n"
        )
        assert client.evaluate(f"tcp('127.0.0.9', {port}, 0.5)") in (
            "TimeoutError",
            "OSError",
            "ConnectionRefusedError",
        )


def test_networks_are_isolated(instance: Instance) -> None:
    instance.networks.create({"Name": "front"})
    instance.networks.create({"Name": "back"})
    one, first = instance.start("one", "front")
    two, second = instance.start("two", "back")
    both, _ = instance.start("both", "front", "back")
    one.run("serve_tcp(80, 'one')")
    two.run("serve_tcp(80, 'two')")
    assert two.evaluate(f"tcp({first.endpoints[0].ipv4_address!r}, 80, 0.5)") == "TimeoutError"
    assert one.evaluate(f"tcp({second.endpoints[0].ipv4_address!r}, 80, 0.5)") == "TimeoutError"
    assert both.evaluate(f"tcp({first.endpoints[0].ipv4_address!r}, 80)").startswith("one ")
    assert both.evaluate(f"tcp({second.endpoints[0].ipv4_address!r}, 80)").startswith("two ")
    assert {"eth0", "eth1"} <= set(both.evaluate("[name for _, name in socket.if_nameindex()]"))


def test_internal_network(instance: Instance) -> None:
    instance.networks.create({"Name": "closed", "Internal": True})
    instance.networks.create({"Name": "open"})
    db, allocation = instance.start("db", "closed", ports=[PortBinding(80)])
    app, _ = instance.start("app", "closed")
    outside, _ = instance.start("outside", "open", ports=[PortBinding(80)])
    db.run("serve_tcp(80, 'db')")
    outside.run("serve_tcp(80, 'outside')")
    assert allocation.ports == () and allocation.sockets == ()
    assert app.evaluate(f"tcp({allocation.endpoints[0].ipv4_address!r}, 80)").startswith("db ")
    assert db.evaluate("open('/proc/net/route').read().count('00000000\\t')") in (0, 1)  # only the subnet's own route
    assert db.evaluate("tcp('192.0.2.77', 80, 0.5)") == "OSError"  # no route to host
    published = instance.networks.published(ref("outside").id)[0].host_port
    assert db.evaluate(f"tcp({own_address()!r}, {published}, 0.5)") in ("OSError", "TimeoutError")


def test_names_do_not_leave_an_internal_network(instance: Instance) -> None:
    """A name asked outside carries data out; with a second, ordinary network names are asked there (CVE-2024-29018)."""
    closed = instance.networks.create({"Name": "closed", "Internal": True})
    instance.networks.create({"Name": "open"})
    container, inner = ref("app"), str(ip_network(closed.pools[0].subnet)[9])
    wish = Resolver(servers=("192.0.2.53", inner), search=("corp.test",))
    instance.networks.allocate(container, [EndpointRequest("closed")], [])
    instance.networks.set_resolver(container.id, wish)
    space = instance.running[container.id] = Namespace.make()
    instance.networks.attach(container.id, space.fd, space.rtnl_fd)

    def servers() -> list[str]:
        path = instance.networks.resolver_path(container.id)
        assert path is not None
        return list(json.loads(path.read_text())["servers"])

    assert servers() == [inner]
    instance.networks.connect(container, EndpointRequest("open"), space.fd)
    assert servers() == ["192.0.2.53", inner]
    instance.networks.disconnect(container.id, "open", space.fd)
    assert servers() == [inner]


def test_container_namespace_does_not_forward() -> None:
    """A new namespace takes IPv4's setting from the host, which forwards."""
    made = netns.create(resolver=False)
    try:
        names = ("ipv4/ip_forward", "ipv6/conf/all/forwarding")
        read = inside(made.descriptor, lambda: [Path("/proc/sys/net", name).read_text().strip() for name in names])
    finally:
        made.rtnl.close()
        os.close(made.descriptor)
    assert read == ["0", "0"]


@pytest.mark.network
def test_egress(instance: Instance) -> None:
    client, _ = instance.start("client", "bridge")
    address = socket.getaddrinfo("deb.debian.org", 80, socket.AF_INET)[0][4][0]
    client.run(
        "def fetch(host):\n"
        "    with socket.create_connection((host, 80), timeout=10) as peer:\n"
        "        peer.sendall(b'HEAD /debian/ HTTP/1.0\\r\\nHost: deb.debian.org\\r\\n\\r\\n')\n"
        "        return peer.recv(100).decode()\n"
    )
    assert client.evaluate(f"fetch({address!r})").startswith("HTTP/1.")


def test_ipv6(instance: Instance) -> None:
    instance.networks.create({"Name": "six", "EnableIPv6": True})
    web, allocation = instance.start("web", "six", ports=[PortBinding(80)])
    client, _ = instance.start("client", "six")
    endpoint = allocation.endpoints[0]
    assert endpoint.ipv6_address.startswith("fd") and endpoint.ipv6_gateway
    web.run("serve_tcp(80, 'web', '::', socket.AF_INET6)")
    assert client.evaluate(f"tcp({endpoint.ipv6_address!r}, 80)").startswith("web fd")
    port = allocation.ports[0].host_port
    assert tcp(endpoint.ipv6_address, 80).startswith("web fd")
    assert tcp(endpoint.ipv6_gateway, port).startswith("web ")
    with relays(allocation):  # the relay goes by IPv4, where this server does not listen
        assert tcp("::1", port) in ("", "ConnectionResetError")


def test_addresses_as_asked(instance: Instance) -> None:
    config = {"Config": [{"Subnet": "10.123.45.0/24", "Gateway": "10.123.45.254", "IPRange": "10.123.45.128/25"}]}
    instance.networks.create({"Name": "fixed", "IPAM": config, "Options": {"com.docker.network.driver.mtu": "1280"}})
    request = EndpointRequest(
        "fixed", ipv4_address="10.123.45.9", mac_address="02:00:00:00:00:09", interface_name="net9",
        link_local_ips=("169.254.8.8",), driver_opts={"com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME.log_martians=1"},
    )  # fmt: skip
    one, allocation = instance.start("one", request)
    assert allocation.endpoints[0].ipv4_address == "10.123.45.9"
    assert one.evaluate("open('/proc/sys/net/ipv4/conf/net9/log_martians').read().strip()") == "1"
    assert one.evaluate("[open('/proc/net/fib_trie').read().count(a) > 0 for a in ('10.123.45.9', '169.254.8.8')]") == [True, True]  # fmt: skip
    one.run(
        "import fcntl, struct\n"
        "def ioctl(number):\n"
        "    with socket.socket() as handle:\n"
        "        return fcntl.ioctl(handle, number, struct.pack('40s', b'net9'))\n"
    )
    assert one.evaluate("ioctl(0x8927)[18:24].hex()") == "020000000009"
    assert one.evaluate("struct.unpack_from('i', ioctl(0x8921), 16)[0]") == 1280
    _, other = instance.start("two", "fixed")
    assert other.endpoints[0].ipv4_address == "10.123.45.128"
    with pytest.raises(Forbidden, match="Address already in use"):
        instance.networks.allocate(ref("three"), [EndpointRequest("fixed", ipv4_address="10.123.45.9")], [])


def test_connect_and_disconnect_while_running(instance: Instance) -> None:
    instance.networks.create({"Name": "front"})
    instance.networks.create({"Name": "back"})
    one, _ = instance.start("one", "front")
    two, second = instance.start("two", "back")
    two.run("serve_tcp(80, 'two')")
    address = second.endpoints[0].ipv4_address
    assert one.evaluate(f"tcp({address!r}, 80, 0.3)") == "TimeoutError"
    joined = instance.networks.connect(ref("one"), EndpointRequest("back", aliases=("uno",)), one.fd)
    assert (joined.ifname, joined.attached) == ("eth1", True)
    assert one.evaluate(f"tcp({address!r}, 80)").startswith("two ")
    with pytest.raises(Forbidden, match="already exists in network"):
        instance.networks.connect(ref("one"), EndpointRequest("back"), one.fd)
    # the first network by name has the default route ("back"); without it the other takes over
    gateway = socket.inet_ntoa(
        int(
            one.evaluate("[l.split()[2] for l in open('/proc/net/route') if l.split()[1] == '00000000'][0]"), 16
        ).to_bytes(4, "little")
    )
    assert gateway == joined.ipv4_gateway
    instance.networks.disconnect(ref("one").id, "back", one.fd)
    assert one.evaluate(f"tcp({address!r}, 80, 0.3)") == "TimeoutError"
    assert "eth1" not in one.evaluate("[name for _, name in socket.if_nameindex()]")
    assert one.evaluate("len([l for l in open('/proc/net/route') if l.split()[1] == '00000000'])") == 1
    with pytest.raises(Forbidden, match="is not connected to"):
        instance.networks.disconnect(ref("one").id, "back", one.fd)
    instance.networks.disconnect(ref("one").id, "back", one.fd, force=True)


def test_port_conflicts(instance: Instance) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(PortTaken, match=f"listen tcp4 0.0.0.0:{port}: bind: address already in use"):
            instance.networks.allocate(ref("one"), [EndpointRequest("bridge")], [PortBinding(80, host_port=port)])
    assert instance.networks.endpoints(ref("one").id) == ()
    instance.start("one", "bridge", ports=[PortBinding(80, host_port=port)])
    with pytest.raises(PortTaken, match=f"Bind for 0.0.0.0:{port} failed: port is already allocated"):
        instance.networks.allocate(ref("two"), [EndpointRequest("bridge")], [PortBinding(80, host_port=port)])
    with pytest.raises(OSError, match="in use"), socket.create_server(("127.0.0.1", port)):
        pass
    span = PortBinding(80, host_port=port, host_port_end=port + 40)
    second = instance.networks.allocate(ref("two"), [EndpointRequest("bridge")], [span])
    assert port < second.ports[0].host_port <= port + 40
    for fd in second.sockets:
        os.close(fd)
    instance.networks.detach(ref("two").id)
    with pytest.raises(EngineError, match="cannot assign requested address"):
        instance.networks.allocate(
            ref("two"), [EndpointRequest("bridge")], [PortBinding(80, host_ip="198.51.100.1", host_port=port + 1)]
        )
    with pytest.raises(InvalidParameter, match="invalid hostIP"):
        instance.networks.allocate(ref("two"), [EndpointRequest("bridge")], [PortBinding(80, host_ip="nope")])


def test_recover_after_a_crash(instance: Instance) -> None:
    network = instance.networks.create({"Name": "front"})
    web, allocation = instance.start("web", EndpointRequest("front", aliases=("site",)), ports=[PortBinding(80)])
    web.run("serve_tcp(80, 'web')")
    dead, _ = instance.start("dead", "front", ports=[PortBinding(81)])
    port = allocation.ports[0].host_port
    dead.close()  # died while no engine was there
    instance.running.pop(ref("dead").id)
    for fd in instance.sockets.pop(ref("dead").id):
        os.close(fd)
    instance.networks._kernel.table.delete()  # and somebody flushed the ruleset
    (instance.layout.network_run(network.id) / "zone.json").unlink()
    assert tcp("127.0.0.1", port) == "ConnectionRefusedError"
    instance.networks.close()
    instance.networks = instance.load()
    assert instance.networks.published(ref("web").id) == allocation.ports
    instance.networks.recover({ref("web").id: allocation.ports})
    assert tcp("127.0.0.1", port).startswith("web ")
    assert instance.networks.endpoints(ref("dead").id) == ()
    assert bound(network.bridge).keys() == {instance.networks.endpoints(ref("web").id)[0].ipv4_address}
    zone = (instance.layout.network_run(network.id) / "zone.json").read_text()
    assert '"site"' in zone and "dead" not in zone
    # a bridge that somebody deleted comes back with its ports
    with Netlink() as netlink:
        netlink.run([links.delete_link(network.bridge)])
    instance.networks.close()
    instance.networks = instance.load()
    instance.networks.recover({ref("web").id: allocation.ports})
    assert tcp("127.0.0.1", port).startswith("web ")
    # and whose the addresses on it are is settled again
    (endpoint,) = instance.networks.endpoints(ref("web").id)
    assert bound(network.bridge) == {endpoint.ipv4_address: endpoint.mac_address}


_FOREIGN = """
import struct, tempfile
from pathlib import Path
from support.namespaces import Namespace
from pycompose.engine.layout import Layout
from pycompose.engine.networks import ContainerRef, EndpointRequest, Networks, PortBinding
from pycompose.engine.networks.expressions import ACCEPT, DROP, Counter, Decide, Verdict
from pycompose.engine.networks.netlink import NETLINK_NETFILTER, NLM_F_APPEND, NLM_F_CREATE, Netlink, attributes, be32, nested, text
from pycompose.engine.networks.nft import Batch, NEWCHAIN, NEWRULE, NEWTABLE
from pycompose.engine.store import Store

netfilter = Netlink(NETLINK_NETFILTER)

def chain(family, table, name, policy=None, rules=()):
    batch = Batch()
    batch.add(NEWTABLE, family, text(1, table), be32(2, 0), flags=NLM_F_CREATE)
    base = [] if policy is None else [nested(4, be32(1, 2), be32(2, 0)), be32(5, policy), text(7, "filter")]
    batch.add(NEWCHAIN, family, text(1, table), text(3, name), *base, flags=NLM_F_CREATE)
    for rule in rules:
        expressions = nested(4, *(item.encode() for item in rule))
        batch.add(NEWRULE, family, text(1, table), text(2, name), expressions, flags=NLM_F_CREATE | NLM_F_APPEND)
    netfilter.transact("foreign", batch.data())

def rules(table, name):
    from pycompose.engine.networks.nft import GETRULE, SUBSYSTEM, UNSPEC, nfgen
    found = [dict(attributes(body[4:])) for body in netfilter.dump("x", SUBSYSTEM << 8 | GETRULE, nfgen(UNSPEC))]
    return sum(1 for item in found if item[1] == table.encode() + bytes(1) and item[2] == name.encode() + bytes(1))

root = tempfile.TemporaryDirectory()
layout = Layout.for_root(root.name)
store = Store(layout.database)
networks = Networks(layout, store, lambda *event: None)
networks.create({"Name": "front"}); networks.create({"Name": "back"})
spaces = {}

def start(name, network, ports=()):
    ref = ContainerRef(name.encode().hex().ljust(64, "0"), name)
    made = networks.allocate(ref, [EndpointRequest(network)], ports)
    spaces[name] = Namespace.make()
    networks.attach(ref.id, spaces[name].fd, spaces[name].rtnl_fd)
    return made

made = start("web", "front", [PortBinding(80)])
start("client", "back")
spaces["web"].run("serve_tcp(80, 'web')")
port, gateway = made.ports[0].host_port, made.endpoints[0].ipv4_gateway

def reach(seconds=3.0):
    return spaces["client"].evaluate(f"tcp({gateway!r}, {port}, {seconds})")

def leave():
    for space in spaces.values():
        space.close()
    networks.shutdown(); store.close(); netfilter.close(); root.cleanup()
"""


def test_foreign_firewalls_that_drop() -> None:
    """A host of its own (one more namespace), so that no other traffic of this machine is dropped meanwhile."""
    host = Namespace.make()
    try:
        host.run(f"import os; sys.path.insert(0, {str(Path(__file__).parents[1])!r})")
        host.run(_FOREIGN)
        assert host.evaluate("reach()").startswith("web ")
        # dockerd came up next to us: FORWARD drops, and has a chain for the likes of us
        host.run(
            "from pycompose.engine.networks import drain; import select\nchanges = networks.firewall_changes(); drain(changes)"
        )
        host.run("chain(2, 'filter', 'DOCKER-USER', None, [(Decide(Verdict.RETURN),)])")
        host.run("chain(2, 'filter', 'FORWARD', 0, [(Counter(), Decide(Verdict.JUMP, 'DOCKER-USER'))])")
        assert host.evaluate("reach(0.5)") == "TimeoutError"
        assert host.evaluate("len(select.select([changes], [], [], 5)[0])") == 1
        host.run("drain(changes); networks.check_firewall()")
        assert host.evaluate("reach()").startswith("web ")
        assert host.evaluate("[rules('filter', 'DOCKER-USER'), rules('filter', 'FORWARD')]") == [3, 1]
        # a server's own ruleset, dropping by policy, and one rejecting in its last rule
        host.run("chain(1, 'mine', 'forward', 0)")
        host.run("chain(1, 'other', 'forward', 1, [(Counter(), DROP)])")
        assert host.evaluate("reach(0.5)") == "TimeoutError"
        host.run("networks.check_firewall()")
        assert host.evaluate("reach()").startswith("web ")
        assert host.evaluate("[rules('mine', 'forward'), rules('other', 'forward')]") == [2, 3]
        host.run("leave_rules = lambda: [rules(*n) for n in (('mine', 'forward'), ('other', 'forward'), ('filter', 'DOCKER-USER'))]")  # fmt: skip
        host.run("for space in spaces.values(): space.close()\nnetworks.shutdown()")
        assert host.evaluate("leave_rules()") == [0, 1, 1]
        host.run("leave()")
    finally:
        host.close()


def test_udp_follows_a_restarted_container(instance: Instance) -> None:
    """A client that keeps sending from one socket must not stay bound to the address the container had before."""
    instance.networks.create({"Name": "front"})
    first, allocation = instance.start("dns", "front", ports=[PortBinding(53, "udp")])
    first.run("serve_udp(53, 'first')")
    port = allocation.ports[0].host_port
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(2)
        client.connect(("127.0.0.1", port))
        client.send(b"x")
        assert client.recv(100).startswith(b"first ")
        instance.stop("dns")
        instance.start("squatter", "front")  # takes the address
        second, _ = instance.start("dns", "front", ports=[PortBinding(53, "udp", host_port=port)])
        second.run("serve_udp(53, 'second')")
        client.send(b"x")
        assert client.recv(100).startswith(b"second ")


def test_macvlan(instance: Instance) -> None:
    """Two containers on one parent, here a spare pair of links, since the uplink is not ours to play with."""
    with open("/proc/self/ns/net") as own, Netlink() as netlink:
        netlink.run([links.add_bridge("pctestbridge", "02:00:00:00:77:01", 1500), links.set_up("pctestbridge")])
        index = socket.if_nametoindex("pctestbridge")
        pair = links.add_veth("pctestport", index, "pctestparent", own.fileno(), "02:00:00:00:77:03", 1500)
        netlink.run([pair, links.set_up("pctestport"), links.set_up("pctestparent")])
    try:
        with pytest.raises(InvalidParameter, match="invalid subinterface vlan name nope0"):
            instance.networks.create({"Name": "x", "Driver": "macvlan", "Options": {"parent": "nope0"}})
        instance.networks.create(
            {
                "Name": "lan",
                "Driver": "macvlan",
                "Options": {"parent": "pctestparent"},
                "IPAM": {"Config": [{"Subnet": "10.231.7.0/24"}]},
            }
        )
        one, first = instance.start("one", "lan", ports=[PortBinding(80)])
        two, _ = instance.start("two", "lan")
        assert first.ports == ()
        one.run("serve_tcp(80, 'one')")
        assert two.evaluate(f"tcp({first.endpoints[0].ipv4_address!r}, 80)") == "one 10.231.7.3"
        # The kernel lets go of a namespace when it likes: here, not before the same container has started again.
        request = EndpointRequest("lan", mac_address=first.endpoints[0].mac_address)
        with open(f"/proc/self/fd/{one.fd}"):
            instance.stop("one")
            _, again = instance.start("one", request)
        assert again.endpoints[0].mac_address == first.endpoints[0].mac_address
        instance.stop("one")
        instance.stop("two")
        instance.networks.remove("lan")
        assert socket.if_nametoindex("pctestparent")
    finally:
        with Netlink() as netlink:
            netlink.run([links.delete_link("pctestparent"), links.delete_link("pctestbridge")])


def test_own_bridge_of_the_user_stays(instance: Instance) -> None:
    with Netlink() as netlink:
        netlink.run([links.add_bridge("pctestmine", "02:00:00:00:77:02", 1500)])
    try:
        instance.networks.create({"Name": "mine", "Options": {"com.docker.network.bridge.name": "pctestmine"}})
        with pytest.raises(Forbidden, match="networks have same bridge name"):
            instance.networks.create({"Name": "copy", "Options": {"com.docker.network.bridge.name": "pctestmine"}})
        one, first = instance.start("one", "mine")
        two, _ = instance.start("two", "mine")
        one.run("serve_tcp(80, 'one')")
        assert two.evaluate(f"tcp({first.endpoints[0].ipv4_address!r}, 80)").startswith("one ")
        instance.stop("one")
        instance.stop("two")
        instance.networks.remove("mine")
        assert socket.if_nametoindex("pctestmine")
    finally:
        with Netlink() as netlink:
            netlink.run([links.delete_link("pctestmine")])


def test_no_traffic_between_containers_without_icc(instance: Instance) -> None:
    instance.networks.create({"Name": "apart", "Options": {"com.docker.network.bridge.enable_icc": "false"}})
    one, first = instance.start("one", "apart", ports=[PortBinding(80)])
    two, _ = instance.start("two", "apart")
    one.run("serve_tcp(80, 'one')")
    assert two.evaluate(f"tcp({first.endpoints[0].ipv4_address!r}, 80, 0.3)") in ("TimeoutError", "OSError")
    assert tcp("127.0.0.1", first.ports[0].host_port).startswith("one ")


def test_failed_attach_leaves_no_link(instance: Instance) -> None:
    instance.networks.create({"Name": "front"})
    instance.networks.allocate(ref("one"), [EndpointRequest("front", interface_name="lo2")], [])
    space = Namespace.make()
    instance.running[ref("one").id] = space
    with open("/dev/null") as wrong, pytest.raises(EngineError, match="create veth"):
        instance.networks.attach(ref("one").id, wrong.fileno(), None)
    assert [name for name in instance.links() if name.startswith("pv")] == []
    # the same reservation can still be used
    assert instance.networks.attach(ref("one").id, space.fd, None)[0].attached


def test_instances_side_by_side(tmp_path: Path) -> None:
    one, two = Instance(tmp_path / "one"), Instance(tmp_path / "two")
    try:
        first, left = one.start("web", "bridge", ports=[PortBinding(80)])
        second, right = two.start("web", "bridge", ports=[PortBinding(80)])
        first.run("serve_tcp(80, 'one')")
        second.run("serve_tcp(80, 'two')")
        assert left.endpoints[0].ipv4_gateway != right.endpoints[0].ipv4_gateway
        assert tcp("127.0.0.1", left.ports[0].host_port).startswith("one ")
        assert tcp("127.0.0.1", right.ports[0].host_port).startswith("two ")
        assert first.evaluate(f"tcp({right.endpoints[0].ipv4_address!r}, 80, 0.5)") == "TimeoutError"
        assert first.evaluate(f"tcp({own_address()!r}, {right.ports[0].host_port})").startswith("two ")
        with pytest.raises(PortTaken, match="address already in use"):
            two.networks.allocate(
                ref("x"), [EndpointRequest("bridge")], [PortBinding(80, host_port=left.ports[0].host_port)]
            )
        one.close()
        assert tcp("127.0.0.1", right.ports[0].host_port).startswith("two ")
    finally:
        if one.running:
            one.close()
        two.close()


def test_subnets_taken_at_the_same_moment(tmp_path: Path) -> None:
    """Two engines that both have chosen a subnet for a bridge that is not there yet: the second one sees the first one's."""
    one, two = Instance(tmp_path / "one"), Instance(tmp_path / "two")
    try:
        assert [one.networks.get("bridge").pools[0].subnet] == [two.networks.get("bridge").pools[0].subnet]
        reserved = [side.networks.allocate(ref("web"), [EndpointRequest("bridge")], []) for side in (one, two)]
        assert reserved[0].endpoints[0].ipv4_gateway != reserved[1].endpoints[0].ipv4_gateway
    finally:
        one.close()
        two.close()


def test_a_killed_engine_s_empty_networks_keep_their_subnets(instance: Instance) -> None:
    """Its bridges are still there, and are not taken for somebody else's by the next engine."""
    network = instance.networks.create({"Name": "front", "EnableIPv6": True})
    instance.start("web", "bridge")
    instance.stop("web")
    default = instance.networks.get("bridge")
    instance.networks.close()
    instance.networks = instance.load()
    instance.networks.recover({})
    instance.start("web", "front", "bridge")
    assert instance.networks.get("front").pools == network.pools
    assert instance.networks.get("bridge").pools == default.pools
    assert addresses(network.bridge) == {pool.gateway for pool in network.pools}


def test_a_bridge_left_behind_loses_a_subnet_that_somebody_else_has(instance: Instance) -> None:
    network = instance.networks.create({"Name": "front"})
    instance.networks.close()
    instance.networks = instance.load()
    instance.networks.recover({})
    bridge = f"other{os.getpid()}"[:15]
    try:
        with Netlink() as netlink:
            netlink.run([links.add_bridge(bridge, "02:00:00:00:00:01", 1500), links.set_up(bridge)])
            index = links.index_of(netlink.fileno(), bridge)
            netlink.run(
                [links.add_address(index, network.pools[0].gateway, ip_network(network.pools[0].subnet).prefixlen)]
            )
        instance.start("web", "front")
        pools = instance.networks.get("front").pools
        assert pools != network.pools
        assert addresses(network.bridge) == {pools[0].gateway}
    finally:
        with Netlink() as netlink:
            netlink.run([links.delete_link(bridge)])


def test_concurrent_starts(instance: Instance) -> None:
    """Ten at once, as an `up` does: no address twice, every one reachable."""
    instance.networks.create({"Name": "front"})
    spaces = {f"c{number}": Namespace.make() for number in range(10)}
    failures: list[BaseException] = []

    def start(name: str, space: Namespace) -> None:
        try:
            instance.networks.allocate(ref(name), [EndpointRequest("front", aliases=("svc",))], [])
            instance.networks.attach(ref(name).id, space.fd, space.rtnl_fd)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=start, args=item) for item in spaces.items()]
    before = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spent = time.perf_counter() - before
    instance.running.update({ref(name).id: space for name, space in spaces.items()})
    assert not failures
    addresses = {instance.networks.endpoints(ref(name).id)[0].ipv4_address for name in spaces}
    assert len(addresses) == 10
    print(f"{spent * 100:.2f} ms a container", file=sys.stderr)


def test_subnets_of_the_host_are_avoided_and_overlaps_refused(instance: Instance) -> None:
    with Netlink() as netlink:
        host = [route.destination for route in links.host_routes(netlink) if route.destination.prefixlen]
    network = instance.networks.create({"Name": "front"})
    subnet = ip_network(network.pools[0].subnet)
    assert not any(subnet.version == other.version and subnet.overlaps(other) for other in host)
    with pytest.raises(Forbidden, match="Pool overlaps with other one on this address space"):
        instance.networks.create({"Name": "copy", "IPAM": {"Config": [{"Subnet": str(subnet)}]}})
    with pytest.raises(Conflict, match="network with name front already exists"):
        instance.networks.create({"Name": "front"})
    assert {item.name for item in instance.networks.list()} == {"bridge", "host", "none", "front"}


def test_host_and_none(instance: Instance) -> None:
    allocation = instance.networks.allocate(ref("one"), [EndpointRequest("host")], [PortBinding(80, host_port=80)])
    assert allocation.ports == () and allocation.sockets == ()
    assert instance.networks.attach(ref("one").id, -1)[0].attached
    assert instance.networks.resolver_path(ref("one").id) is None
    assert "localhost" in instance.networks.hosts(ref("one").id)
    instance.networks.detach(ref("one").id)
    with pytest.raises(InvalidParameter, match="cannot be connected to any other network"):
        instance.networks.allocate(ref("one"), [EndpointRequest("host"), EndpointRequest("bridge")], [])
    with pytest.raises(Forbidden, match="pre-defined network"):
        instance.networks.remove("host")


def test_a_link_is_found_when_no_descriptor_is_left() -> None:
    """if_nametoindex() wants one of its own, and says that there is no such link."""
    kernel = Kernel("0abcde")
    assert kernel.has_link("lo")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        found = [kernel.has_link(name) for name in ("lo", "pcabsent", "lo" * 20)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        kernel.close()
    assert found == [True, False, False]
