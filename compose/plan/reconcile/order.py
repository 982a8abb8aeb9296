"""What the containers' own labels say about stopping them: the order, and whether hooks come first."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...model import Project
    from ..observe import ObservedContainer


def recorded_dependencies(containers: Sequence[ObservedContainer]) -> dict[str, set[str]]:
    """Service -> services it depends on, as the containers' labels say."""
    result: dict[str, set[str]] = {}
    for one in containers:
        words = (item.partition(":")[0] for item in one.depends_on.split(",") if item)
        result.setdefault(one.service, set()).update(words)
    return result


def has_pre_stop(one: ObservedContainer, project: Project | None) -> bool:
    """Whether hooks run before the container is stopped: recorded ones, or the model's if another program created it."""
    if one.pre_stop or one.fields is not None or project is None:
        return bool(one.pre_stop)
    return bool(project.services.get(one.service, {}).get("pre_stop"))


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
