"""The order in which running containers are stopped, from their own depends_on labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..observe import ObservedContainer


def recorded_dependencies(containers: Sequence[ObservedContainer]) -> dict[str, set[str]]:
    """Service -> services it depends on, as the containers' labels say."""
    result: dict[str, set[str]] = {}
    for one in containers:
        words = (item.partition(":")[0] for item in one.depends_on.split(",") if item)
        result.setdefault(one.service, set()).update(words)
    return result


def stop_levels(containers: Sequence[ObservedContainer]) -> list[list[ObservedContainer]]:
    """Containers in the order to stop them: each level at once, dependants before what they depend on."""
    needs = recorded_dependencies(containers)
    services = set(needs)
    waiting = {name: {one for one in services if name in needs[one] and one != name} for name in services}
    levels: list[list[ObservedContainer]] = []
    while waiting:
        # Labels of two generations of a model may contradict each other: then nobody waits.
        ready = {name for name, followers in waiting.items() if not followers & waiting.keys()} or set(waiting)
        levels.append([one for one in containers if one.service in ready])
        for name in ready:
            del waiting[name]
    return levels
