"""Looking at a stack's services until they are where they are wanted.

A manager tells of services and nodes by events, but not of tasks: who wants to know how a task is has to ask again, as the docker
command does. One round asks for everything of the stack at once, however many services are waited for.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ...client import NotFound
from ...errors import EngineError
from ..state import WAITING, Verdict
from .labels import STACK
from .verdicts import judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...client import Engine
    from ...client.bodies import swarm as bodies

PAUSE = 0.5
"""Seconds between two rounds; with many tasks more, so that asking stays a small part of the time."""

SHARE = 10
PATIENCE = 20.0
"""Seconds in which managers may choose a new leader, or a connection may be refused, before the run is given up."""

FREE_AFTER = 60.0
"""Seconds in which the tasks of a removed service leave their networks."""


class Watch:
    def __init__(self, engine: Engine, project: str, volumes: Callable[[str, str], None] | None = None) -> None:
        self._engine = engine
        self._project = project
        self._volumes = volumes
        self._services: dict[str, bodies.Service] | None = None
        self._tasks: dict[str, list[bodies.Task]] = {}
        self._nodes: dict[str, bodies.Node] = {}
        self._cost = 0.0
        self._changed: set[str] = set()

    def forget(self) -> None:
        """What was heard is of before a change."""
        self._services = None

    def expect(self, name: str) -> None:
        """A service that has just been changed."""
        self._changed.add(name)

    def verdict(self, name: str) -> Verdict:
        if self._services is None:
            self._look()
        service = (self._services or {}).get(name)
        if service is None:
            return Verdict(WAITING, "not there yet")
        return judge(
            service,
            self._tasks.get(service["ID"], []),
            self._nodes,
            time.time(),
            is_changed=name in self._changed,
        )

    def verdicts(self) -> dict[str, Verdict]:
        """By key of the object."""
        self._look()
        return {f"service {name}": self.verdict(name) for name in self._services or {}}

    def wait(self, seconds: float) -> None:
        time.sleep(min(max(PAUSE, SHARE * self._cost), seconds))
        self._services = None

    def _look(self) -> None:
        began = time.monotonic()
        filters = {"label": [f"{STACK}={self._project}"]}
        while True:
            try:
                services = self._engine.swarm.services(filters)
                tasks = self._engine.swarm.tasks(filters)
                nodes = self._engine.swarm.nodes()
                break
            except EngineError:
                if time.monotonic() - began > PATIENCE:
                    raise
                time.sleep(PAUSE)
        self._cost = time.monotonic() - began
        self._services = {one["Spec"]["Name"]: one for one in services}
        self._nodes = {one["ID"]: one for one in nodes}
        self._tasks = {}
        for task in tasks:
            self._tasks.setdefault(task["ServiceID"], []).append(task)

    def remove_when_free(self, remove: Callable[[], None]) -> None:
        """Remove a network or volume once the tasks that use it have ended."""
        end = time.monotonic() + FREE_AFTER
        while True:
            try:
                remove()
                return
            except NotFound:
                return
            except EngineError as error:
                is_used = any(words in str(error) for words in ("in use", "active endpoints"))
                if not is_used or time.monotonic() > end:
                    raise
            time.sleep(PAUSE)

    def until_gone(self, is_there: Callable[[], bool]) -> None:
        """The node that is asked lists a removed network until its own last task has left it."""
        end = time.monotonic() + FREE_AFTER
        while is_there() and time.monotonic() < end:
            time.sleep(PAUSE)

    def remove_volume(self, node: str, volume: str) -> None:
        if self._volumes is not None:
            self._volumes(node, volume)
