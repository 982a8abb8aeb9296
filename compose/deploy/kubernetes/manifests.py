"""The project as files that `kubectl apply -f DIR` takes as they are, numbered in the order of the waves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...load.yamldump import yaml_text
from ...plan.graph import closure, dependencies

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...model import Project
    from ..objects import Wanted


def write_manifests(project: Project, wanted: Sequence[Wanted], write: Callable[[str, bytes], None]) -> None:
    """One file for what all share, one a service; `kubectl` takes them by name, so what others wait for comes first."""
    waves = _waves(project)
    files: dict[str, list[Wanted]] = {}
    for one in wanted:
        name = f"{waves[one.service] + 1:02}-{one.service}.yaml" if one.service else "00-shared.yaml"
        files.setdefault(name, []).append(one)
    for name, objects in files.items():
        write(name, "---\n".join(yaml_text(dict(one.body)) for one in objects).encode())


def _waves(project: Project) -> dict[str, int]:
    """How many services are before each, on the longest way."""
    found: dict[str, int] = {}
    for name in closure(project.services, project.services):
        before = [found[one] for one in dependencies(project.services[name]) if one in found]
        found[name] = max(before, default=-1) + 1
    return found
