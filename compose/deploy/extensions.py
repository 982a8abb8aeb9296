"""Keys of the file that begin with ``x-``: the loader keeps them beside what the specification knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..load.scalars import Timestamp
from ..load.tree import Placed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..load.tree import Node
    from ..model.values import Json


def extension(tree: Mapping[str, object] | None, key: str) -> Json:
    """The value of extension ``key`` in a service, volume and the like, a timestamp as text; None without one."""
    return _json(tree.extensions.get(key)) if isinstance(tree, Placed) else None


def _json(value: Node) -> Json:
    if isinstance(value, dict):
        return {name: _json(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_json(item) for item in value]
    return value.rfc3339() if isinstance(value, Timestamp) else value
