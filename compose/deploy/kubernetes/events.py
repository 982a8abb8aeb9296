"""What happens to a project's objects, as the API server tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .names import PROJECT, SERVICE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .client import Kube


def project_events(kube: Kube, project: str, namespace: str) -> Iterator[dict[str, str]]:
    """Changes of pods, from now on, as flat records."""
    known: dict[str, str] = {}
    for word, pod in kube.watch_pods(namespace, {PROJECT: project}):
        from .listing import units

        unit = next(units([pod], []))
        state = "removed" if word == "DELETED" else unit.state
        if known.get(unit.id) == state:
            continue
        known[unit.id] = state
        yield {
            "time": pod["metadata"].get("creationTimestamp", ""),
            "service": pod["metadata"].get("labels", {}).get(SERVICE, ""),
            "unit": unit.name,
            "node": unit.node,
            "action": state,
            "detail": unit.detail,
        }
