"""From Compose files to a `Project`: a tuple of named pure phases over trees with places (see pipeline.py).

`load_project` answers from the cache when nothing changed; the phases and their imports are loaded only otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model import LoadOptions, Project

__all__ = ["load_project", "with_services"]


def load_project(options: LoadOptions, *, cached: bool = True) -> Project:
    """The project that ``options`` name; raises `LoadError` with every diagnostic, `UsageError` for contradictions.

    ``cached=False`` neither reads nor writes the cache.
    """
    if cached:
        from .cache import recall

        known = recall(options)
        if known is not None:
            return known
    from .pipeline import load_project as load

    return load(options, keep=cached)


def with_services(project: Project, names: Iterable[str], *, dependencies: bool = True) -> Project:
    """The project reduced to ``names`` and what they depend on; see `services.with_services`."""
    from .services import with_services as select

    return select(project, names, dependencies=dependencies)
