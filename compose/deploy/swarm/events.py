"""What happens to a stack: changes of its services and nodes as the manager tells them, and of its tasks as they are found."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .labels import STACK
from .listing import units

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...client import Engine
    from ..units import Unit

PAUSE = 1.0
"""Seconds between two looks: a manager has no events of tasks."""


def stack_events(engine: Engine, project: str) -> Iterator[dict[str, str]]:
    """Every change of a task's state, from now on, as flat records."""
    filters = {"label": [f"{STACK}={project}"]}
    known = {one.id: one for one in _look(engine, filters)}
    while True:
        time.sleep(PAUSE)
        now = {one.id: one for one in _look(engine, filters)}
        for identity, unit in now.items():
            before = known.get(identity)
            if before is None or before.state != unit.state:
                yield _record(unit, unit.state)
        for identity, unit in known.items():
            if identity not in now:
                yield _record(unit, "removed")
        known = now


def _look(engine: Engine, filters: dict[str, list[str]]) -> list[Unit]:
    swarm = engine.swarm
    return list(units(swarm.services(filters), swarm.tasks(filters), swarm.nodes()))


def _record(unit: Unit, action: str) -> dict[str, str]:
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {
        "time": moment,
        "service": unit.service,
        "unit": unit.name,
        "node": unit.node,
        "action": action,
        "detail": unit.detail,
    }
