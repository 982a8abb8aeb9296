"""What this instance has in the kernel: bridges, pairs, the nftables table, rules in foreign chains. The one place that
acts; every decision comes in as a value. Not locked: service.py calls it under its lock.
"""

from __future__ import annotations

import logging
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from ..errors import EngineError
from ..runtime import relay
from ..runtime.relay import RELAY_ADDRESS
from . import conntrack, drivers, interface, links, nft, ruleset
from .foreign import ForeignFirewall
from .inside import inside
from .netlink import Netlink, NetlinkError
from .nft import Table
from .ruleset import NetworkRules, PublishedPort

if TYPE_CHECKING:
    import socket
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from ipaddress import IPv4Network, IPv6Network

    from .identities import Neighbour
    from .interface import DefaultRoute
    from .netlink import Request
    from .types import Endpoint, Network, PortBinding

log = logging.getLogger(__name__)


class Kernel:
    """``instance`` is Layout.instance: the part of every name that keeps two engines apart. ``outside`` is a socket of the
    host's network namespace, for a kernel that acts in another one."""

    def __init__(self, instance: str, outside: Netlink | None = None) -> None:
        self._outside = outside
        self.prefix = f"pc{instance}"
        self._group = 0x50000000 | int(instance, 16)
        self.table = Table(f"pycompose_{instance}")
        self.firewall = ForeignFirewall(self.table)
        self._netlink: Netlink | None = None
        self._table_written = False
        self._up: dict[str, Network] = {}
        self._ports: dict[str, tuple[PublishedPort, ...]] = {}
        self._uplinks: frozenset[str] = frozenset()

    @property
    def is_apart(self) -> bool:
        """Whether it acts in a network namespace of the engine's own."""
        return self._outside is not None

    @property
    def is_active(self) -> bool:
        """Whether any network is up."""
        return bool(self._up)

    def bridge_name(self, network_id: str) -> str:
        """Interface names have at most 15 characters."""
        return f"{self.prefix}{network_id[:7]}"

    def veth_name(self, endpoint_id: str) -> str:
        """Endpoint ids are fresh, so is this name: the kernel frees an old pair only some time after its namespace."""
        return f"{self._veth_prefix}{endpoint_id[:7]}"

    @property
    def _veth_prefix(self) -> str:
        return f"pv{self.prefix[2:]}"

    def used_subnets(self, bridge: str = "") -> list[IPv4Network | IPv6Network]:
        """What the host routes or has addresses in, apart from the bridges of this instance, ``bridge`` among them: an engine
        that has been killed leaves them behind."""
        named = {network.bridge for network in self._up.values()} | {bridge}
        own = {
            link.index
            for link in links.all_links(self._route())
            if link.name.startswith(self.prefix) or link.name in named
        }
        used = [route.destination for route in links.host_routes(self._route()) if route.link not in own]
        if self._outside is not None:
            used += [route.destination for route in links.host_routes(self._outside)]
        return used

    def uplink_mtu(self) -> int:
        return links.uplink_mtu(self._route())

    def has_link(self, name: str) -> bool:
        return bool(self._index(name))

    def can_filter(self) -> bool:
        """Whether the kernel lets us have an nftables table."""
        return self.table.is_usable()

    def changes(self) -> socket.socket:
        """A socket that tells of changed rulesets (nft.py)."""
        return nft.changes()

    def is_up(self, network: Network) -> bool:
        return network.id in self._up

    def bring_up(self, network: Network) -> None:
        """Make the network exist in the kernel; nothing to do when it does."""
        driver = drivers.of(network)
        if network.id in self._up or not driver.has_links:
            return
        created = not self._index(driver.host_link(network))
        try:
            driver.up(self._route(), network)
            self._up[network.id] = network
            if driver.publishes and self._table_written:
                self.table.change(ruleset.network_elements(rules_of(network)))
            elif driver.publishes:
                self._write_table()
        except EngineError:
            self._up.pop(network.id, None)
            if created:
                self._delete([driver.host_link(network)])
            raise
        if driver.publishes:
            self.look_around()

    def take_down(self, network: Network) -> None:
        """Remove the network's bridge (or the parent created for it) and its elements. Idempotent."""
        was_up = self._up.pop(network.id, None) is not None
        driver = drivers.of(network)
        if driver.publishes and was_up and self._table_written:
            self.table.change({}, ruleset.network_elements(rules_of(network)))
        own: list[str] = []
        if driver.has_peer:
            # Peers of containers that ended may still be there: a connection nobody acknowledges keeps a namespace
            # alive for minutes.
            index = self._index(driver.host_link(network))
            ports = [link.name for link in links.all_links(self._route()) if index and link.master == index]
            own = [name for name in ports if name.startswith(self._veth_prefix)]
        self._delete([*own, *driver.down(network)])

    def plug(
        self,
        pairs: Sequence[tuple[Network, Endpoint]],
        netns_fd: int,
        rtnl_fd: int | None,
        add: Sequence[DefaultRoute],
        remove: Sequence[DefaultRoute] = (),
    ) -> None:
        """Create the endpoints' links in the namespace and configure them; all or nothing."""
        requests: list[Request] = []
        renames: list[tuple[str, str]] = []
        known: dict[str, Sequence[Neighbour]] = {}
        for network, endpoint in pairs:
            self.bring_up(network)
            spare = self.veth_name(endpoint.id)
            plugged = drivers.of(network).plug(self._route(), network, endpoint, netns_fd, spare)
            requests += plugged.requests
            known[endpoint.ifname] = plugged.known
            if plugged.made_as:
                renames.append((plugged.made_as, endpoint.ifname))
        endpoints = [endpoint for _, endpoint in pairs]
        try:
            self._route().run(requests)
            self._bind(pairs)
            inside(netns_fd, lambda: interface.configure(rtnl_fd, endpoints, add, remove, renames, known))
        except EngineError:
            self._route().run([links.delete_link(endpoint.veth) for endpoint in endpoints if endpoint.veth])
            raise
        self.pass_foreign_firewalls()

    def unplug(self, endpoint: Endpoint, netns_fd: int, routes: Sequence[DefaultRoute]) -> None:
        """Take a link out of a namespace that lives on."""
        drivers.of(endpoint).unplug(endpoint, netns_fd, routes)
        self._release([endpoint])

    def _bind(self, pairs: Iterable[tuple[Network, Endpoint]]) -> None:
        """Nobody else on a network is taken for one of these from now on."""
        route = self._route()
        route.run([request for pair in pairs for request in drivers.of(pair[0]).bind(route, *pair)])

    def _release(self, endpoints: Iterable[Endpoint]) -> None:
        pairs = [(self._up[one.network_id], one) for one in endpoints if one.attached and one.network_id in self._up]
        route = self._route()
        try:
            route.run([request for pair in pairs for request in drivers.of(pair[0]).release(route, *pair)])
        except (NetlinkError, MemoryError) as error:  # a container's end is not to wait for that
            log.warning("an address stays bound until it is given away again: %s", error or "Cannot allocate memory")

    def let_go(self, endpoints: Collection[Endpoint], netns_fd: int | None) -> None:
        """What is left on the host of links whose namespace is about to go. Links on a parent of the host go at once: the
        kernel takes its time over that, and meanwhile refuses the next one with the same address on the parent (EADDRINUSE).
        A failure is reported, not raised."""
        self._release(endpoints)
        names = [one.ifname for one in endpoints if drivers.of(one).lingers]
        if not names or netns_fd is None:
            return
        try:
            inside(netns_fd, lambda: interface.delete_all(names))
        except (EngineError, OSError) as error:
            log.warning("links %s stay until their namespace goes: %s", ", ".join(names), error)

    def publish(self, container_id: str, ports: Iterable[PublishedPort], instead_of: str = "") -> None:
        """Make exactly these the published ports of a container (none withdraws them), in the same moment in which those of
        ``instead_of`` are withdrawn. Where the kernel refuses nothing has changed."""
        before = (*self._ports.get(container_id, ()), *self._ports.get(instead_of, ()))
        after = tuple(ports)
        if before == after and not after:
            return
        if not self._table_written:
            self._write_table()
        self.table.change(ruleset.port_elements(after), ruleset.port_elements(before))
        self._ports.pop(instead_of, None)
        self._ports.pop(container_id, None)
        if after:
            self._ports[container_id] = after
        changed = [port for port in {*before, *after} if port.protocol == "udp"]
        if changed:
            gone = {port.address for port in before if port.protocol == "udp"}
            host = links.host_addresses(self._route())
            conntrack.forget_udp(self.table.netlink(), {port.host_port for port in changed}, host, gone)

    def rebuild(self, networks: Iterable[Network], ports: Mapping[str, Iterable[PublishedPort]]) -> None:
        """Start anew from the records: these networks up, these ports published, nothing else of this instance."""
        wanted = {network.id: network for network in networks}
        self._ports = {container: tuple(items) for container, items in ports.items()}
        self._up = {}
        for network in wanted.values():
            drivers.of(network).up(self._route(), network)
            self._up[network.id] = network
        if self._up or any(self._ports.values()):
            self._write_table()
        elif self.table.delete():
            self._table_written = False
        self.look_around()

    def reattach(self, pairs: Iterable[tuple[Network, Endpoint]]) -> None:
        """Put living pairs back under their bridges, should a bridge have been deleted by somebody, and bind their addresses."""
        pairs = tuple(pairs)
        masters = {link.name: link.master for link in links.all_links(self._route())}
        requests: list[Request] = []
        for network, endpoint in pairs:
            index = self._index(network.bridge)
            if masters.get(endpoint.veth, index) != index:
                requests.append(links.set_master(endpoint.veth, index))
                requests.append(links.port_options(endpoint.veth, isolated=not network.icc))
        self._route().run(requests)
        try:
            self._bind(pairs)
        except NetlinkError as error:
            log.warning("addresses of containers that run can be taken by others until these start again: %s", error)

    def remove_strays(self, known: Collection[str]) -> None:
        """Delete bridges with this instance's prefix that belong to no network (a crash between kernel and record)."""
        self._delete([name for name in self._own_links(self.prefix) if name not in known])

    def look_around(self) -> None:
        """Adapt to what others have changed on this host: its bridges and firewalls, and our table, which goes when a
        firewall that flushes the whole ruleset is loaded."""
        uplinks = self._find_uplinks()
        if self._table_written and not self.table.exists():
            self._write_table()
        elif self._table_written and uplinks != self._uplinks:
            gone, come = self._uplinks - uplinks, uplinks - self._uplinks
            self.table.change(ruleset.uplink_elements(come), ruleset.uplink_elements(gone))
            self._uplinks = uplinks
        self.pass_foreign_firewalls()

    def _find_uplinks(self) -> frozenset[str]:
        own = {network.bridge for network in self._up.values()}
        return links.uplink_bridges(links.all_links(self._route()), links.default_links(self._route())) - own

    def pass_foreign_firewalls(self) -> None:
        """Keep our accept rules in chains that would drop; a refusal there is reported, not raised."""
        custom = {network.bridge for network in self._up.values() if network.bridge} - {""}
        names = [f"{self.prefix}*", *sorted(name for name in custom if not name.startswith(self.prefix))]
        try:
            self.firewall.ensure(names if custom else [])
        except NetlinkError as error:
            log.warning("a foreign firewall may drop packets of containers: %s", error)
        for warning in self.firewall.take_new_warnings():
            log.warning("%s", warning)

    def shutdown(self, networks: Iterable[Network]) -> list[EngineError]:
        """Remove everything of this instance; the errors on the way. Repeating it is harmless."""
        errors: list[EngineError] = []
        self._table_written = False
        self._ports = {}
        for step in (self.table.delete, self.firewall.clear):
            try:
                step()
            except EngineError as error:
                errors.append(error)
        doomed = {*self._own_links(self.prefix), *self._own_links(self._veth_prefix)}
        for network in networks:
            doomed.update(drivers.of(network).down(network))
        try:
            self._delete(doomed)
        except EngineError as error:
            errors.append(error)
        self._up = {}
        self.close()
        return errors

    def close(self) -> None:
        self.table.close()
        if self._netlink is not None:
            self._netlink.close()
            self._netlink = None

    def _route(self) -> Netlink:
        if self._netlink is None:
            self._netlink = Netlink()
        return self._netlink

    def _index(self, name: str) -> int:
        """Of a link; 0 when there is none. Asked over the socket that is open: without descriptors left it would look absent."""
        return links.index_of(self._route().fileno(), name)

    def _own_links(self, prefix: str) -> list[str]:
        return [link.name for link in links.all_links(self._route()) if link.name.startswith(prefix)]

    def _delete(self, names: Iterable[str]) -> None:
        """Delete links that may or may not be there, all at once."""
        present = [name for name in names if self._index(name)]
        if len(present) == 1:
            self._route().run([links.delete_link(present[0])])
        elif present:
            marks = [links.set_group(name, self._group) for name in present]
            self._route().run([*marks, links.delete_group(self._group)])

    def _write_table(self) -> None:
        rules = [rules_of(network) for network in self._up.values() if drivers.of(network).publishes]
        ports = [port for items in self._ports.values() for port in items]
        self._uplinks = self._find_uplinks()
        chains = ruleset.CHAINS if self._outside is None else ruleset.CHAINS_APART
        self.table.replace(ruleset.build(self.table.name, rules, ports, self._uplinks, chains))
        self._table_written = True


def rules_of(network: Network) -> NetworkRules:
    """The part of a network the table needs."""
    pools = [pool for pool in (network.pool(4), network.pool(6)) if pool is not None]
    return NetworkRules(
        bridge=network.bridge,
        subnets=tuple(str(ip_network(pool.subnet)) for pool in pools),
        internal=network.internal,
        masquerade=network.masquerade,
        icc=network.icc,
    )


def published_ports(
    bindings: Iterable[PortBinding], pairs: Iterable[tuple[Network, Endpoint]], *, apart: bool = False
) -> tuple[PublishedPort, ...]:
    """Where each host port leads: to the endpoint on a bridge, not internal, that also has the default route.

    A TCP port on IPv6 addresses only is also led there from RELAY_ADDRESS, where the shim's relay connects to; ports on
    0.0.0.0 cover that address anyway. ``apart``, in a network namespace of the engine's own, everything comes from the relay.
    """
    able = [
        (network, endpoint) for network, endpoint in pairs if drivers.of(network).publishes and not network.internal
    ]
    able.sort(key=lambda pair: (-pair[1].gw_priority, pair[1].network_name))
    addresses = {
        4: next((endpoint.ipv4_address for _, endpoint in able if endpoint.ipv4_address), ""),
        6: next((endpoint.ipv6_address for _, endpoint in able if endpoint.ipv6_address), ""),
    }
    items = tuple(bindings)
    if apart:
        relayed = {
            (item.protocol, relay.address_of(item.host_ip), item.host_port, item.container_port) for item in items
        }
        return tuple(PublishedPort(*one[:3], addresses[4], one[3]) for one in sorted(relayed) if addresses[4])
    everywhere = {(item.protocol, item.host_port) for item in items if item.host_ip in ("", "0.0.0.0")}
    ports = []
    for item in items:
        versions = (4, 6) if not item.host_ip else (ip_address(item.host_ip).version,)
        led = [(version, item.host_ip) for version in versions]
        if 4 not in versions and item.protocol == "tcp" and (item.protocol, item.host_port) not in everywhere:
            led.append((4, RELAY_ADDRESS))
        ports += [
            PublishedPort(item.protocol, host_ip, item.host_port, addresses[version], item.container_port)
            for version, host_ip in led
            if addresses[version]
        ]
    return tuple(ports)
