"""Keys of the file that begin with ``x-``: the loader keeps them beside what the specification knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..load.tree import Map

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model.values import Json


def extension(tree: Mapping[str, object] | None, key: str) -> Json:
    """The value of extension ``key`` in a service, volume and the like; None without one."""
    return tree.extensions.get(key) if isinstance(tree, Map) else None
