"""Sums over GET /system/df."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ....client.bodies.system import DiskUsage


def build_cache_size(usage: DiskUsage) -> int:
    """The engine's own figure, or without one the sum of what is not shared with images."""
    return usage.get("BuilderSize") or sum(
        int(one.get("Size") or 0) for one in usage.get("BuildCache") or () if not one.get("Shared")
    )
