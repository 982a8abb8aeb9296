"""Dependants with ``depends_on.restart``: for whose sake they are restarted, and whether they may run until then. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...labels import container_name
from ..graph import dependencies
from ..ops import Cause
from .containers import Replica, kept_volumes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...model import Project
    from ..observe import Snapshot
    from .containers import ServiceState


class Restarts:
    """``states`` are the services decided so far; ``starts_first`` says whether a service that is replaced runs anew before
    its old containers are stopped. ``causes`` are the services to be restarted, and why."""

    def __init__(
        self, project: Project, states: Mapping[str, ServiceState], starts_first: Callable[[str], bool]
    ) -> None:
        self._project = project
        self._states = states
        self._starts_first = starts_first
        self.causes: dict[str, Cause] = {}
        self.instead: set[str] = set()
        """Those that are replaced, since they can be without a gap, and a restart cannot."""

    def replace_instead(self, name: str, snapshot: Snapshot) -> None:
        """Replace the running containers of a service with ``order: start-first`` for the cause for which they would have been
        restarted."""
        cause = self.causes.pop(name)
        state = self._states[name]
        for index, replica in enumerate(state.replicas):
            one = replica.observed
            if one is not None and one.running and replica.cause is None:
                final = str(self._project.services[name].get("container_name") or container_name(self._project, name, one.number))  # fmt: skip
                kept = kept_volumes(self._project, name, one, snapshot)
                state.replicas[index] = Replica(final, name, one.number, one, cause, kept)
        self.instead.add(name)

    def decide(self, name: str) -> None:
        """Once its dependencies are decided."""
        for other in self.sources(name):
            self.causes[name] = Cause(
                f"service {other} is replaced and restarts those that depend on it",
                mark=self._project.mark("services", name, "depends_on", other),
            )

    def sources(self, name: str) -> list[str]:
        """The dependencies for whose sake ``name`` is restarted."""
        return [
            other
            for other, dependency in dependencies(self._project.services[name]).items()
            if dependency.restart and other in self._states and (self._states[other].recreated or other in self.causes)
        ]

    def are_late(self, name: str) -> bool:
        """Whether its containers run until all that they are restarted for runs anew, and nothing else waits for their end."""
        return name in self.causes and all(
            self._starts_first(other) if self._states[other].recreated else self.are_late(other)
            for other in self.sources(name)
        )
