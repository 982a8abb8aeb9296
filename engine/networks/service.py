"""The engine's networks: records, address allocation and what the kernel must look like for them.

``Networks`` is synchronous and may be called from any thread. It decides with the pure modules beside it (definition,
ipam, endpoints, ruleset, zones) and acts through kernel.py and ports.py, one call at a time under one lock: each takes
about a millisecond, and the kernel's own lock for links would serialise them anyway. It never forks.

    allocate   addresses, MACs, link names reserved and recorded; host ports bound       (container not yet running)
    attach     links in the namespace, names and ports published                        (before its first process)
    detach     everything forgotten; the links go with the namespace                    (after the container ended)
"""

from __future__ import annotations

import logging
import secrets
import shutil
import threading
from dataclasses import replace
from time import time_ns
from typing import TYPE_CHECKING

from ..errors import Conflict, Forbidden, NotFound
from ..timestamps import rfc3339
from . import apart, definition, drivers, endpoints, interface, listing, ports, templates, zones
from .ipam import DEFAULT_POOLS
from .names import Names
from .publication import Publication
from .registry import Registry
from .subnets import Subnets, choosing
from .types import Allocation, Resolver

if TYPE_CHECKING:
    import builtins
    import socket
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ..layout import Layout
    from ..store import Store
    from .bodies import NetworkInspect
    from .holding import Place
    from .ipam import DefaultPool
    from .types import ContainerRef, Endpoint, EndpointRequest, Network, PortBinding

    Publish = Callable[[str, str, str, Mapping[str, str]], None]

log = logging.getLogger(__name__)


class Networks:
    """Networks and endpoints of one engine instance.

    What changes something waits for others that do, and for the kernel: call it on a thread. ``get``, ``list``, ``inspect``,
    ``endpoints`` and ``published`` wait for nobody.
    """

    def __init__(
        self,
        layout: Layout,
        store: Store,
        publish: Publish,
        pools: Sequence[DefaultPool] = DEFAULT_POOLS,
        resolver: Resolver | None = None,
    ) -> None:
        """``pools`` give subnets to networks without one; ``resolver`` stands for the host's settings where it has some."""
        self._layout = layout
        self._publish = publish
        self._lock = threading.RLock()
        self._registry = Registry(store)
        self._kernel = apart.kernel(layout)
        self._subnets = Subnets(layout.instance, self._registry, self._kernel, pools)
        self._publication = Publication(self._registry, self._kernel)
        self._names = Names(layout, self._registry, resolver or Resolver())
        for name in definition.PREDEFINED:
            if self._registry.named(name) is None:
                self._registry.put_network(self._predefined(name))

    # ---- networks

    def create(self, body: Mapping[str, object]) -> Network:
        """Docker's NetworkCreate body -> the new network, its bridge up.

        Raises Conflict when the name is taken, Forbidden when a given subnet overlaps another network's, and what
        definition.parse raises.
        """
        with self._lock, choosing():
            id = secrets.token_hex(32)
            network = definition.parse(body, id, rfc3339(time_ns()), self._kernel.bridge_name(id), self._registry.named)
            if self._registry.named(network.name) is not None:
                raise Conflict(f"network with name {network.name} already exists")
            definition.check_bridge_free(network, self._registry.networks())
            network = replace(network, adopted=self._kernel.has_link(drivers.of(network).host_link(network)))
            network = self._subnets.with_pools(network)
            self._kernel.bring_up(network)
            try:
                self._registry.put_network(network)
            except BaseException:
                self._kernel.take_down(network)
                raise
        self._tell("create", network)
        return network

    def get(self, ref: str) -> Network:
        """By id, name or unique id prefix; NotFound "network X not found", InvalidParameter when ambiguous."""
        return self._registry.network(ref)

    def list(self, filters: Mapping[str, Sequence[str]] | None = None) -> builtins.list[Network]:
        """All networks, oldest first; ``filters`` as Docker's (driver, id, label, name, scope, type, dangling)."""
        return [
            network
            for network in self._registry.networks()
            if listing.matches(network, filters or {}, bool(self._registry.of_network(network.id)))
        ]

    def inspect(self, network: Network) -> NetworkInspect:
        """Docker's Network resource."""
        return listing.to_docker(network, self._registry.of_network(network.id))

    def remove(self, ref: str) -> None:
        """Remove the network; NotFound, or Forbidden when it is predefined or has endpoints."""
        with self._lock:
            network = self._registry.network(ref)
            if network.predefined:
                raise Forbidden(f"{network.name} is a pre-defined network and cannot be removed")
            templates.check_unused(network, self._registry.networks())
            if endpoints := self._registry.of_network(network.id):
                users = ", ".join(
                    sorted(f'name:"{one.container.name}" id:"{one.container.id[:12]}"' for one in endpoints)
                )
                raise Forbidden(
                    f"error while removing network: network {network.name} id {network.id} has active endpoints ({users})"
                )
            self._kernel.take_down(network)
            self._registry.delete_network(network)
            shutil.rmtree(self._layout.network_run(network.id), ignore_errors=True)
        self._tell("destroy", network)

    def prune(self, filters: Mapping[str, Sequence[str]] | None = None) -> builtins.list[str]:
        """Remove user-defined networks without endpoints; the names of those removed. Filters: until, label, label!."""
        listing.check_prune(filters or {})
        removed = []
        now = time_ns()
        for network in self.list({"type": ["custom"]}):
            if listing.prunable(network, filters or {}, now):
                try:
                    self.remove(network.id)
                except (Forbidden, NotFound):
                    continue  # in use, or gone in the meantime
                removed.append(network.name)
        self._publish("network", "prune", "", {"reclaimed": "0"})
        return removed

    # ---- a container's life

    def allocate(
        self,
        container: ContainerRef,
        requests: Sequence[EndpointRequest],
        bindings: Sequence[PortBinding],
        kept: Mapping[Place, socket.socket] | None = None,
        heir_of: str = "",
    ) -> Allocation:
        """Reserve addresses (recorded) and bind host ports; all or nothing. Reservations the container already had are
        given up first. ``kept`` are sockets that have been bound for these bindings before. Interfaces are numbered in the order of ``requests``, higher ``priority`` first.
        ``heir_of`` is a container that has the ports now: they lead to this one only once it takes over, or that one is gone.

        Requests for host and none give endpoints without addresses. Ports are not published when no network can (host,
        none, internal, macvlan): then Allocation.ports is empty. Raises NotFound (network), InvalidParameter, Forbidden
        (address in use), Conflict (host port taken).
        """
        with self._lock:
            self._release(container.id)
            ordered = sorted(requests, key=lambda request: -request.priority)
            networks = [self._subnets.settled(self._registry.network(request.network)) for request in ordered]
            endpoints.check_together(networks)
            reserved: builtins.list[Endpoint] = []
            for network, request in zip(networks, ordered, strict=True):
                reserved.append(self._reserve(network, container, request, reserved))
            bound = ports.Bound()
            pairs = [*zip(networks, reserved, strict=True)]
            if any(drivers.of(network).publishes and not network.internal for network in networks):
                bound = ports.bind(bindings, self._registry.all_published(), pairs, kept)
            self._registry.put_endpoints(reserved)
            self._publication.reserve(container.id, bound.ports, heir_of)
            return Allocation(tuple(reserved), *bound)

    def attach(self, container_id: str, netns_fd: int, rtnl_fd: int | None = None) -> tuple[Endpoint, ...]:
        """Put the reserved endpoints into the container's namespace, write its names, publish its ports.

        ``rtnl_fd``: a NETLINK_ROUTE socket of that namespace, if there is one. Both fds stay the caller's. When it fails
        the reservation stays: call detach.
        """
        with self._lock:
            before = self._registry.of_container(container_id)
            pairs = [(self._registry.network(endpoint.network_id), endpoint) for endpoint in before]
            linked = [(network, endpoint) for network, endpoint in pairs if drivers.of(network).has_links]
            if linked:
                routes = interface.default_routes(before)
                self._kernel.plug(linked, netns_fd, None if rtnl_fd is None or rtnl_fd < 0 else rtnl_fd, routes)
            after = tuple(replace(endpoint, attached=True) for endpoint in before)
            self._registry.put_endpoints(after)
            self._names.write({endpoint.network_id for endpoint in after}, container_id)
            self._publication.lead(container_id)
        for endpoint in after:
            self._tell_endpoint("connect", endpoint)
        return after

    def take_over(self, container_id: str) -> str:
        """The ports that the container stands by for lead to it from now on, in one step for all of them, and its names; the
        id of the one that had them, which stands by in its turn. Conflict when it stands by for nobody's."""
        with self._lock:
            former = self._publication.take_over(container_id)
            both = (*self._registry.of_container(container_id), *self._registry.of_container(former))
            self._names.note_zones({endpoint.network_id for endpoint in both if endpoint.attached})
            return former

    def stands_by(self, container_id: str) -> bool:
        """Whether the container's ports are another one's at present."""
        return container_id in self._registry.heirs()

    def heir(self, container_id: str) -> str:
        """The id of the container that has this one's ports next, the latest that stands by for them; "" without one."""
        waiting = [id for id, heir in self._registry.heirs().items() if heir.of == container_id]
        return waiting[-1] if waiting else ""

    def detach(self, container_id: str, netns_fd: int | None = None) -> str:
        """Forget the container: ports, names, addresses. The id of the one that stood by for its ports and has them now, if
        any. The links go with the namespace, those with an address on somebody
        else's link at once. ``netns_fd``: the namespace, if it is still there. Idempotent, also on a full disk."""
        with self._lock:
            self._kernel.let_go(self._registry.of_container(container_id), netns_fd)
            gone, successor = self._release(container_id)
            self._registry.set_resolver(container_id, None)
        for endpoint in gone:
            if endpoint.attached:
                self._tell_endpoint("disconnect", endpoint)
        return successor

    def connect(self, container: ContainerRef, request: EndpointRequest, netns_fd: int | None) -> Endpoint:
        """Join one more network. With ``netns_fd`` at once; without (container not running) the request is only checked
        and a preview returned: pass it to allocate at the next start. Forbidden when already connected."""
        with self._lock:
            network = self._registry.network(request.network)
            own = self._registry.of_container(container.id)
            if any(endpoint.network_id == network.id for endpoint in own):
                raise Forbidden(f"endpoint with name {container.name} already exists in network {network.name}")
            joined = [self._registry.network(endpoint.network_id) for endpoint in own]
            endpoints.check_together([*joined, network])
            network = network if netns_fd is None else self._subnets.settled(network)
            endpoint = self._reserve(network, container, request, own)
            if netns_fd is None:
                return endpoint
            was, will = set(interface.default_routes(own)), set(interface.default_routes([*own, endpoint]))
            if drivers.of(network).has_links:
                self._kernel.plug([(network, endpoint)], netns_fd, None, tuple(will - was), tuple(was - will))
            endpoint = replace(endpoint, attached=True)
            self._registry.put_endpoints([endpoint])
            self._names.write({network.id}, container.id)
            self._publication.lead(container.id)
        self._tell_endpoint("connect", endpoint)
        return endpoint

    def disconnect(self, container_id: str, ref: str, netns_fd: int | None, force: bool = False) -> None:
        """Leave a network, at once when ``netns_fd`` is given. Forbidden when not connected, unless ``force``."""
        with self._lock:
            network = self._registry.network(ref)
            own = self._registry.of_container(container_id)
            endpoint = next((item for item in own if item.network_id == network.id), None)
            if endpoint is None:
                if force:
                    return
                raise Forbidden(f"container {container_id} is not connected to network {network.name}")
            if drivers.of(network).shares_host:
                raise Forbidden("container cannot be disconnected from host network or connected to host network")
            rest = [item for item in own if item is not endpoint]
            if netns_fd is not None and endpoint.attached and drivers.of(network).has_links:
                routes = set(interface.default_routes(rest)) - set(interface.default_routes(own))
                self._kernel.unplug(endpoint, netns_fd, tuple(routes))
            self._registry.delete_endpoints([endpoint])
            # It has left, whatever the disk takes.
            self._names.note_zones({network.id})
            self._names.note_resolvers([container_id])
            self._publication.lead(container_id)
        if endpoint.attached:
            self._tell_endpoint("disconnect", endpoint)

    def endpoints(self, container_id: str) -> tuple[Endpoint, ...]:
        """The container's endpoints in interface order (eth0 first); empty when it is not running."""
        return self._registry.of_container(container_id)

    def published(self, container_id: str) -> tuple[PortBinding, ...]:
        """The container's actual host ports, one per host address, as allocate returned them; recorded until detach."""
        return self._registry.published(container_id)

    def rename(self, container: ContainerRef) -> None:
        """The container has a new name: its DNS names follow."""
        with self._lock:
            renamed = [
                replace(
                    endpoint,
                    container=container,
                    dns_names=zones.dns_names(container, endpoint.aliases) if endpoint.dns_names else (),
                )
                for endpoint in self._registry.of_container(container.id)
            ]
            self._registry.put_endpoints(renamed)
            self._names.write_zones({endpoint.network_id for endpoint in renamed})

    # ---- names

    def set_resolver(self, container_id: str, resolver: Resolver) -> None:
        """The container's own dns, dns_search and dns_opt; call before attach (kept until detach)."""
        with self._lock:
            self._registry.set_resolver(container_id, resolver)

    def resolver_path(self, container_id: str) -> Path | None:
        """Where resolver.json is (launch.json's ``resolver``); None with the host's network or none. Containers on the
        default bridge have it too, since they may be connected to a network with names while they run."""
        return self._names.resolver_path(container_id)

    def resolv_conf(self, container_id: str) -> str:
        """Text of the container's /etc/resolv.conf for its present endpoints; changes with connect and disconnect."""
        with self._lock:
            return self._names.resolv_conf(container_id)

    def hosts(
        self,
        container_id: str,
        extra_hosts: Sequence[str] = (),
        container_links: Mapping[str, Sequence[str]] | None = None,
    ) -> str:
        """Text of the container's /etc/hosts; changes with connect and disconnect.

        ``extra_hosts`` as "name:address", where the address may be "host-gateway". ``container_links`` are the default
        bridge's links: container id -> names for it here.
        """
        with self._lock:
            return self._names.hosts(container_id, extra_hosts, container_links or {})

    # ---- the engine's life

    def recover(self, live: Mapping[str, Sequence[PortBinding]]) -> None:
        """Make kernel and run files agree with the records; the same path at every engine start.

        ``live``: container id -> its actual ports (Allocation.ports), for every container whose namespace is alive.
        Endpoints of all other containers are dropped. Networks without live endpoints come up again at first use.
        """
        with self._lock:
            gone = self._registry.known_containers() - live.keys()
            left = [endpoint for container_id in gone for endpoint in self._registry.of_container(container_id)]
            self._registry.delete_endpoints(left)
            for container_id in gone:
                self._registry.set_resolver(container_id, None)
            led = self._publication.recover(live, gone)
            networks = self._registry.networks()
            self._kernel.remove_strays({network.bridge for network in networks})
            busy = [
                network
                for network in networks
                if drivers.of(network).has_links
                and any(item.attached for item in self._registry.of_network(network.id))
            ]
            self._kernel.rebuild(busy, led)
            self._kernel.let_go(left, None)
            self._kernel.reattach(
                (network, endpoint)
                for network in busy
                for endpoint in self._registry.of_network(network.id)
                if drivers.of(network).has_peer and endpoint.attached
            )
            self._names.note_zones({network.id for network in busy})
            self._names.note_resolvers(live)
            self._names.remove_stale()

    def check_firewall(self) -> builtins.list[str]:
        """Renew our accept rules in foreign chains that drop (a firewall may have been started or reloaded since), and
        learn which bridges lead out of the host; what cannot be helped, in words. Costs a few small queries."""
        with self._lock:
            self._kernel.look_around()
            return [*self._kernel.firewall.warnings]

    def can_filter(self) -> bool:
        """Whether the kernel lets us have an nftables table."""
        with self._lock:
            return self._kernel.can_filter()

    def firewall_changes(self) -> socket.socket:
        """A non-blocking socket, the caller's to close, that is readable after anybody changed an nftables ruleset (this
        engine included): time for check_firewall. ``drain`` empties it."""
        return self._kernel.changes()

    def shutdown(self) -> None:
        """Remove table, rules in foreign chains, bridges and run files of this instance; records stay. Only when no
        container runs. Everything is tried; the first error is raised afterwards."""
        with self._lock:
            errors = self._kernel.shutdown(self._registry.networks())
            shutil.rmtree(self._layout.network_run("x").parent, ignore_errors=True)
        for error in errors[1:]:
            log.warning("while removing networks: %s", error)
        if errors:
            raise errors[0]

    def close(self) -> None:
        """Close the sockets; the kernel's state stays. For an engine that leaves its containers running."""
        with self._lock:
            self._kernel.close()

    def catch_up(self) -> None:
        """Try once more to write the names that the disk has not taken; nothing where it has taken all."""
        if self._names.behind:
            with self._lock:
                self._names.catch_up()

    # ---- within

    def _predefined(self, name: str) -> Network:
        id = secrets.token_hex(32)
        mtu = self._kernel.uplink_mtu() if name == "bridge" else 0
        network = definition.predefined(name, id, rfc3339(time_ns()), self._kernel.bridge_name(id), mtu)
        return self._subnets.with_pools(network) if name == "bridge" else network

    def _reserve(
        self, network: Network, container: ContainerRef, request: EndpointRequest, own: Sequence[Endpoint]
    ) -> Endpoint:
        """An endpoint with addresses nobody has; nothing is recorded yet."""
        used = [address for endpoint in self._registry.of_network(network.id) for address in zones.addresses(endpoint)]
        taken = [endpoint.ifname for endpoint in own if endpoint.ifname]
        id = secrets.token_hex(32)
        fresh = endpoints.Fresh(id, self._kernel.veth_name(id), time_ns() + len(own))
        return endpoints.reserve(network, container, request, fresh, used, taken)

    def _release(self, container_id: str) -> tuple[tuple[Endpoint, ...], str]:
        """What the container had, and who has its ports now."""
        gone = self._registry.of_container(container_id)
        successor = self._publication.release(container_id)
        self._registry.delete_endpoints(gone)
        changed = (*gone, *(self._registry.of_container(successor) if successor else ()))
        self._names.note_zones({endpoint.network_id for endpoint in changed if endpoint.attached})
        return gone, successor

    def _tell(self, action: str, network: Network) -> None:
        self._publish("network", action, network.id, {"name": network.name, "type": network.driver})

    def _tell_endpoint(self, action: str, endpoint: Endpoint) -> None:
        attributes = {"container": endpoint.container.id, "name": endpoint.network_name, "type": endpoint.driver}
        self._publish("network", action, endpoint.network_id, attributes)
