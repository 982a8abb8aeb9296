"""Which subnets a network gets: those asked for, or free ones of the pools, looked up in records and kernel.

Choosing is done under a lock of the whole machine, since what is free is looked up in the kernel and taken a moment
later, and several engines may do so at once.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import replace
from fcntl import LOCK_EX, flock
from ipaddress import ip_network
from typing import TYPE_CHECKING

from ..linux import userns
from . import definition
from .ipam import overlapping, unique_local_pool

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from ipaddress import IPv4Network, IPv6Network

    from .ipam import DefaultPool
    from .kernel import Kernel
    from .registry import Registry
    from .types import Network

_CHOOSING = "/run/pycompose-subnets.lock"


class Subnets:
    """Gives networks their subnets."""

    def __init__(self, instance: str, registry: Registry, kernel: Kernel, pools: Sequence[DefaultPool]) -> None:
        self._registry = registry
        self._kernel = kernel
        self._pools = tuple(pools)
        self._unique_local = (unique_local_pool(instance),)

    def with_pools(self, network: Network) -> Network:
        """The network with a subnet for every address family that it has and that was not given one.

        Raises Forbidden when a given subnet overlaps another network's, or when the pools are used up.
        """
        others = self._of_others(network.id)
        return definition.with_pools(network, others, self._kernel.used_subnets(), self._pools, self._unique_local)

    def settled(self, network: Network) -> Network:
        """The network as it is to be used. One that is not up may find its chosen subnet taken by the host since (another
        engine, a VPN): as nobody is on it, it gets another one, which is recorded. It is up then, before another engine looks."""
        if not network.chosen or self._kernel.is_up(network):
            return network
        with choosing():
            network = self._renumbered(network)
            self._kernel.bring_up(network)
        return network

    def _renumbered(self, network: Network) -> Network:
        if self._registry.of_network(network.id):
            return network
        used = self._kernel.used_subnets(network.bridge)
        own = [ip_network(pool.subnet) for pool in network.pools]
        if not any(overlapping(left, right) for left in own for right in used if right.prefixlen):
            return network
        changed = self.with_pools(replace(network, pools=()))
        self._registry.put_network(changed)
        return changed

    def _of_others(self, id: str) -> list[IPv4Network | IPv6Network]:
        return [
            ip_network(pool.subnet)
            for network in self._registry.networks()
            if network.id != id and not network.config_only
            for pool in network.pools
        ]


@contextmanager
def choosing() -> Iterator[None]:
    """One engine of this machine at a time; an engine without root has its networks for itself."""
    if not userns.is_initial():
        yield
        return
    descriptor = os.open(_CHOOSING, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        flock(descriptor, LOCK_EX)
        yield
    finally:
        os.close(descriptor)
