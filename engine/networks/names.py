"""Who is called what: zone and resolver files kept in step with the endpoints, and a container's resolv.conf and hosts.

What the documents say is decided in zones.py and resolvconf.py; this looks the facts up and writes. Not locked.
"""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING

from . import drivers, interface, resolvconf, zones

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from ..layout import Layout
    from .registry import Registry
    from .types import Endpoint, Resolver

log = logging.getLogger(__name__)


class Names:
    def __init__(self, layout: Layout, registry: Registry, configured: Resolver) -> None:
        self._layout = layout
        self._registry = registry
        self._configured = configured
        self._late: set[str] = set()
        self._late_resolvers: set[str] = set()

    def _host(self) -> resolvconf.ResolvConf:
        """The host's settings, as far as the engine's configuration has none."""
        return resolvconf.upstream(resolvconf.host_resolv_conf(), self._configured)

    def zone_path(self, network_id: str) -> Path:
        return self._layout.network_run(network_id) / "zone.json"

    def resolver_path(self, container_id: str) -> Path | None:
        """None when no endpoint is a link of the container's own."""
        if not any(endpoint.ifname for endpoint in self._registry.of_container(container_id)):
            return None
        return self._layout.container_run(container_id) / "resolver.json"

    def resolv_conf(self, container_id: str) -> str:
        own = self._registry.of_container(container_id)
        return resolvconf.container_resolv_conf(
            self._host(),
            self._registry.resolver(container_id),
            embedded=any(endpoint.dns_names for endpoint in own),
            own_namespace=not any(drivers.of(endpoint).shares_host for endpoint in own),
        )

    def hosts(self, container_id: str, extra_hosts: Sequence[str], container_links: Mapping[str, Sequence[str]]) -> str:
        own = self._registry.of_container(container_id)
        if any(drivers.of(endpoint).shares_host for endpoint in own):
            return resolvconf.host_network_hosts(extra_hosts)
        container = own[0].container if own else None
        return resolvconf.hosts_text(
            [address for endpoint in own for address in zones.addresses(endpoint)],
            (container.hostname or container.id[:12]) if container else "",
            container.domainname if container else "",
            extra_hosts,
            host_gateway(own),
            [
                (address, names)
                for target, names in container_links.items()
                for endpoint in self._registry.of_container(target)[:1]
                for address in zones.addresses(endpoint)
            ],
        )

    def write_zones(self, network_ids: Iterable[str]) -> None:
        """Write the zones of these networks, and the resolvers of containers whose links may point into them."""
        for network_id in network_ids:
            network = self._registry.network(network_id)
            if not (network.user_defined and drivers.of(network).has_links):
                continue
            present = self._present(network_id)
            zones.write(self.zone_path(network_id), zones.zone(network, present))
            for endpoint in present:
                if endpoint.links:
                    self.write_resolver(endpoint.container.id)

    def write(self, network_ids: Iterable[str], container_id: str) -> None:
        """Zones of the networks that a container has joined or left, and its resolver."""
        self.write_zones(network_ids)
        self.write_resolver(container_id)

    def remove_stale(self) -> None:
        """Remove the run files of networks that no longer exist."""
        known = {network.id for network in self._registry.networks()}
        for directory in self._layout.network_run("x").parent.glob("*"):
            if directory.name not in known:
                shutil.rmtree(directory, ignore_errors=True)

    def note_zones(self, network_ids: Iterable[str]) -> None:
        """Write the zones after somebody has left. What the disk refuses is told and tried again by ``catch_up``: names of
        the dead in a zone are no reason to keep the dead."""
        for network_id in network_ids:
            try:
                self.write_zones([network_id])
            except OSError as error:
                log.error("cannot write %s: %s; tried again later", self.zone_path(network_id), error.strerror)
                self._late.add(network_id)
            else:
                self._late.discard(network_id)

    def note_resolvers(self, container_ids: Iterable[str]) -> None:
        """The same for containers' resolvers; whoever has one goes on with it."""
        for container_id in container_ids:
            try:
                self.write_resolver(container_id)
            except OSError as error:
                log.error("cannot write %s: %s; tried again later", self.resolver_path(container_id), error.strerror)
                self._late_resolvers.add(container_id)
            else:
                self._late_resolvers.discard(container_id)

    @property
    def behind(self) -> bool:
        """Whether there are zones or resolvers that the disk has not taken yet."""
        return bool(self._late or self._late_resolvers)

    def catch_up(self) -> None:
        """Write the zones and resolvers that could not be written before."""
        known = {network.id for network in self._registry.networks()}
        late, self._late = self._late & known, set()
        self.note_zones(late)
        resolvers = self._late_resolvers & self._registry.known_containers()
        self._late_resolvers = set()
        self.note_resolvers(resolvers)

    def write_resolver(self, container_id: str) -> None:
        """Write a container's resolver.json; nothing without a link of its own."""
        path = self.resolver_path(container_id)
        if path is None:
            return
        own = [endpoint for endpoint in self._registry.of_container(container_id) if endpoint.ifname]
        names: dict[str, Sequence[str]] = {}
        gateway = host_gateway(own)
        if gateway:
            names.update({name: [gateway] for name in zones.HOST_NAMES})
        for endpoint in own:
            if endpoint.links:
                network = self._registry.network(endpoint.network_id)
                table = zones.zone(network, self._present(network.id))["names"]
                names.update(zones.link_names(endpoint.links, [table]))
        wish = self._registry.resolver(container_id)
        upstream = resolvconf.upstream(self._host(), wish)
        networks = [self._registry.network(endpoint.network_id) for endpoint in own]
        if all(network.internal for network in networks):
            upstream = resolvconf.within(upstream, wish, [pool.subnet for one in networks for pool in one.pools])
        paths = [self.zone_path(endpoint.network_id) for endpoint in own if endpoint.dns_names]
        zones.write(path, zones.resolver(paths, names, upstream))

    def _present(self, network_id: str) -> list[Endpoint]:
        """Those that names lead to: not to one that stands by for another one's place."""
        waiting = self._registry.heirs()
        return [
            endpoint
            for endpoint in self._registry.of_network(network_id)
            if endpoint.attached and endpoint.container.id not in waiting
        ]


def host_gateway(own: Sequence[Endpoint]) -> str:
    """An address of the host that the container reaches: its default gateway, when that is a bridge of ours."""
    routes = interface.default_routes([endpoint for endpoint in own if drivers.of(endpoint).publishes])
    return routes[0].gateway if routes else ""
