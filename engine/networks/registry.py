"""Records of networks and endpoints: in memory for reading, in the store for the next start.

One thread changes them at a time. Any may read meanwhile, the event loop's among them, which cannot wait for a lock that is
held over the kernel's work: what is gone through is copied first, by one call that other threads do not come between.

Kinds in the store: ``network`` and ``endpoint`` by their id; ``published`` (a container's actual host ports), ``heir`` (whose
ports it is to have next) and ``resolver`` (its DNS wishes) by container id.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ..errors import InvalidParameter, NotFound
from ..shapes import objects
from .succession import Heir, Moved
from .types import Endpoint, Network, PortBinding, Resolver

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..store import Store


class Registry:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._networks = {id: Network.from_record(body) for id, body in store.all("network").items()}
        self._names = {network.name: network for network in self._networks.values()}
        self._endpoints: dict[str, dict[str, Endpoint]] = {}  # container id -> endpoint id -> endpoint
        found = [Endpoint.from_record(body) for body in store.all("endpoint").values()]
        for endpoint in sorted(found, key=lambda item: item.position):
            self._endpoints.setdefault(endpoint.container.id, {})[endpoint.id] = endpoint
        self._published = {
            id: tuple(PortBinding.from_record(binding) for binding in objects(body.get("ports")))
            for id, body in store.all("published").items()
        }
        self._heirs = {id: Heir.from_record(body) for id, body in store.all("heir").items()}
        self._resolvers = {id: Resolver.from_record(body) for id, body in store.all("resolver").items()}

    def networks(self) -> list[Network]:
        """Oldest first."""
        return sorted(self._networks.values(), key=lambda network: (network.created, network.id))

    def named(self, name: str) -> Network | None:
        return self._names.get(name)

    def network(self, ref: str) -> Network:
        """By full id, name, or unique id prefix, in this order."""
        exact = self._networks.get(ref) or self._names.get(ref)
        if exact is not None:
            return exact
        found = [network for id, network in list(self._networks.items()) if ref and id.startswith(ref)]
        if len(found) > 1:
            raise InvalidParameter(f"network {ref} is ambiguous ({len(found)} matches found based on ID prefix)")
        if not found:
            raise NotFound(f"network {ref} not found")
        return found[0]

    def put_network(self, network: Network) -> None:
        self._store.put("network", network.id, network.record())
        self._networks[network.id] = network
        self._names[network.name] = network

    def delete_network(self, network: Network) -> None:
        self._store.delete("network", network.id)
        self._networks.pop(network.id, None)
        self._names.pop(network.name, None)

    def of_container(self, container_id: str) -> tuple[Endpoint, ...]:
        """In interface order."""
        return tuple(self._endpoints.get(container_id, {}).values())

    def of_network(self, network_id: str) -> list[Endpoint]:
        """In order of arrival of their containers."""
        return [
            endpoint
            for endpoints in list(self._endpoints.values())
            for endpoint in list(endpoints.values())
            if endpoint.network_id == network_id
        ]

    def put_endpoints(self, endpoints: Iterable[Endpoint]) -> None:
        items = tuple(endpoints)
        with self._store.transaction():
            for endpoint in items:
                self._store.put("endpoint", endpoint.id, endpoint.record())
        for endpoint in items:
            self._endpoints.setdefault(endpoint.container.id, {})[endpoint.id] = endpoint

    def delete_endpoints(self, endpoints: Iterable[Endpoint]) -> None:
        items = tuple(endpoints)
        with self._store.transaction():
            for endpoint in items:
                self._store.delete("endpoint", endpoint.id)
        for endpoint in items:
            own = self._endpoints.get(endpoint.container.id, {})
            own.pop(endpoint.id, None)
            if not own:
                self._endpoints.pop(endpoint.container.id, None)

    def published(self, container_id: str) -> tuple[PortBinding, ...]:
        return self._published.get(container_id, ())

    def all_published(self) -> list[PortBinding]:
        return [binding for bindings in list(self._published.values()) for binding in bindings]

    def set_published(self, container_id: str, bindings: Iterable[PortBinding]) -> None:
        """None of them forgets the container's ports."""
        items = tuple(bindings)
        if not items:
            if self._published.pop(container_id, None) is not None:
                self._store.delete("published", container_id)
            return
        if items == self._published.get(container_id):
            return
        self._store.put("published", container_id, {"ports": [binding.record() for binding in items]})
        self._published[container_id] = items

    def heirs(self) -> Mapping[str, Heir]:
        """Who is to have whose ports next, by container id."""
        return dict(self._heirs)

    def move_ports(self, moved: Moved) -> None:
        """Published ports change hands, all in one transaction. When it fails nothing has changed."""
        with self._store.transaction():
            for id, bindings in moved.published.items():
                self._write("published", id, {"ports": [one.record() for one in bindings]} if bindings else None)
            for id, heir in moved.heirs.items():
                self._write("heir", id, heir.record() if heir else None)
        for id, bindings in moved.published.items():
            self._published.pop(id, None)
            if bindings:
                self._published[id] = bindings
        for id, heir in moved.heirs.items():
            self._heirs.pop(id, None)
            if heir is not None:
                self._heirs[id] = heir

    def _write(self, kind: str, id: str, body: Mapping[str, object] | None) -> None:
        if body is None:
            self._store.delete(kind, id)
        else:
            self._store.keep(kind, id, body)

    def known_containers(self) -> set[str]:
        """Every container that anything is recorded of."""
        return {*self._endpoints, *self._published, *self._heirs, *self._resolvers}

    def resolver(self, container_id: str) -> Resolver:
        return self._resolvers.get(container_id, Resolver())

    def set_resolver(self, container_id: str, resolver: Resolver | None) -> None:
        """None or an empty wish forgets it."""
        if resolver is None or resolver == Resolver():
            if self._resolvers.pop(container_id, None) is not None:
                self._store.delete("resolver", container_id)
            return
        self._store.put("resolver", container_id, asdict(resolver))
        self._resolvers[container_id] = resolver
