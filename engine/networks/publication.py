"""Which host ports lead to which container: the records, and the port map in the kernel that follows them.

Not locked: service.py calls it under its lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Conflict
from . import succession
from .kernel import published_ports

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from .kernel import Kernel
    from .registry import Registry
    from .ruleset import PublishedPort
    from .types import PortBinding


class Publication:
    """Changes hands as succession.py says: whatever fails, a port leads to whom the records name."""

    def __init__(self, registry: Registry, kernel: Kernel) -> None:
        self._registry = registry
        self._kernel = kernel

    def reserve(self, container_id: str, bindings: tuple[PortBinding, ...], heir_of: str) -> None:
        """Record the container's ports; nothing leads there yet. With ``heir_of`` they are those of that container still."""
        if heir_of:
            self._registry.move_ports(succession.stand_by(container_id, heir_of, bindings))
        else:
            self._registry.set_published(container_id, bindings)

    def lead(self, container_id: str, instead_of: str = "") -> None:
        """Make the kernel do what the records say, in the same moment in which it leads no more to ``instead_of``."""
        bindings = self._registry.published(container_id)
        self._kernel.publish(container_id, self._led(container_id, bindings), instead_of)

    def take_over(self, container_id: str) -> str:
        """Give the container what it stands by for; whose that was. Conflict when it stands by for nothing."""
        moved = succession.take_over(container_id, self._registry.heirs(), self._registry.published)
        if moved is None:
            raise Conflict(f"container {container_id} stands by for nobody's ports")
        (former,) = moved.published.keys() - {container_id}
        self._kernel.publish(container_id, self._led(container_id, moved.published[container_id]), former)
        try:
            self._registry.move_ports(moved)
        except BaseException:
            self.lead(former, container_id)
            raise
        return former

    def release(self, container_id: str) -> str:
        """The container goes; who has its ports from now on, if anybody stood by."""
        successor = self._forget(container_id)
        if successor and self._kernel.is_active:  # else recovery is yet to come, which reads the records
            self.lead(successor, container_id)
        else:
            self._kernel.publish(container_id, ())
        return successor

    def recover(
        self, live: Mapping[str, Sequence[PortBinding]], gone: Collection[str]
    ) -> dict[str, tuple[PublishedPort, ...]]:
        """Settle the records with the containers that live and those that are ``gone``; where ports lead then, by container."""
        for container_id, bindings in live.items():
            if bindings:  # none may have become some meanwhile, by the end of another container
                self._registry.set_published(container_id, bindings)
        waited_for = {heir.of for heir in self._registry.heirs().values()}
        for container_id in {*gone, *(waited_for - live.keys())}:
            self._forget(container_id)
        return {one: self._led(one, self._registry.published(one)) for one in live}

    def _forget(self, container_id: str) -> str:
        moved = succession.release(container_id, self._registry.heirs())
        self._registry.move_ports(moved)
        return moved.successor

    def _led(self, container_id: str, bindings: Sequence[PortBinding]) -> tuple[PublishedPort, ...]:
        pairs = [
            (self._registry.network(endpoint.network_id), endpoint)
            for endpoint in self._registry.of_container(container_id)
            if endpoint.attached
        ]
        return published_ports(bindings, pairs, apart=self._kernel.is_apart)
