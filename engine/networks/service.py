"""The engine's networks: records, address allocation and what the kernel must look like for them.

``Networks`` is synchronous and may be called from any thread. It decides with the pure modules beside it (ipam,
ruleset, zones) and acts through links, nft and ports. It never forks and never looks at services: names are names.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ..layout import Layout
    from ..store import Store
    from .types import Allocation, ContainerRef, Endpoint, EndpointRequest, Network, PortBinding, Resolver

    Publish = Callable[[str, str, str, Mapping[str, str]], None]


class Networks:
    """Networks and endpoints of one engine instance; see the methods for what each needs and raises."""

    def __init__(self, layout: Layout, store: Store, publish: Publish) -> None:
        self._layout = layout
        self._store = store
        self._publish = publish
        self._lock = threading.RLock()

    def recover(self, live: Mapping[str, Sequence[PortBinding]]) -> None:
        """Make kernel and run files agree with the records. ``live``: container id -> its actual (bound) ports, for
        every container whose netns is alive. Endpoints of all other containers are dropped."""
        raise NotImplementedError

    def create(self, body: Mapping[str, Any]) -> Network:
        """Docker's NetworkCreate body -> the new network, its bridge up. Conflict when the name is taken."""
        raise NotImplementedError

    def get(self, ref: str) -> Network:
        """By name, id or unique id prefix; NotFound "network X not found"."""
        raise NotImplementedError

    def list(self, filters: Mapping[str, Sequence[str]] | None = None) -> builtins.list[Network]:
        """All networks, oldest first; ``filters`` as Docker's (driver, id, label, name, scope, type, dangling)."""
        raise NotImplementedError

    def inspect(self, network: Network) -> dict[str, Any]:
        """Docker's Network resource."""
        raise NotImplementedError

    def remove(self, ref: str) -> None:
        """Remove the network; Forbidden when predefined or endpoints are active."""
        raise NotImplementedError

    def prune(self, filters: Mapping[str, Sequence[str]] | None = None) -> builtins.list[str]:
        """Remove user-defined networks no container uses; the removed names. Filters: until, label, label!."""
        raise NotImplementedError

    def allocate(
        self, container: ContainerRef, requests: Sequence[EndpointRequest], ports: Sequence[PortBinding]
    ) -> Allocation:
        """Reserve addresses (persisted) and bind the host ports. All or nothing. A second call for the same container
        keeps what is reserved and still asked for. Requests for "host"/"none" give endpoints without addresses."""
        raise NotImplementedError

    def attach(self, container_id: str, netns_fd: int, rtnl_fd: int) -> tuple[Endpoint, ...]:
        """Put the reserved endpoints into the container's netns; publish its ports; write zones and resolver.json."""
        raise NotImplementedError

    def detach(self, container_id: str) -> None:
        """Forget everything of the container: ports, names, addresses. The links go with the netns. Idempotent."""
        raise NotImplementedError

    def connect(self, container: ContainerRef, request: EndpointRequest, netns_fd: int | None) -> Endpoint:
        """Join one more network; live when ``netns_fd`` is given. Forbidden when already there."""
        raise NotImplementedError

    def disconnect(self, container_id: str, ref: str, netns_fd: int | None, force: bool = False) -> None:
        """Leave a network; live when ``netns_fd`` is given."""
        raise NotImplementedError

    def endpoints(self, container_id: str) -> tuple[Endpoint, ...]:
        """The container's endpoints in interface order (eth0 first)."""
        raise NotImplementedError

    def published(self, container_id: str) -> tuple[PortBinding, ...]:
        """The container's actual host ports (host_port filled in)."""
        raise NotImplementedError

    def rename(self, container: ContainerRef) -> None:
        """The container has a new name: its DNS names follow."""
        raise NotImplementedError

    def set_resolver(self, container_id: str, resolver: Resolver) -> None:
        """The container's own dns, dns_search and dns_opt; call before attach (kept until detach)."""
        raise NotImplementedError

    def resolver_path(self, container_id: str) -> Path | None:
        """Where resolver.json is (launch.json's ``resolver``); None when no endpoint can have the embedded DNS."""
        raise NotImplementedError

    def resolv_conf(self, container_id: str) -> str:
        """Text of the container's /etc/resolv.conf for its present endpoints."""
        raise NotImplementedError

    def hosts(self, container_id: str, extra_hosts: Sequence[str] = ()) -> str:
        """Text of the container's /etc/hosts; ``extra_hosts`` as "name:address", address may be "host-gateway"."""
        raise NotImplementedError

    def shutdown(self) -> None:
        """Remove table, bridges and run files of this instance. Only when no container runs."""
        raise NotImplementedError
