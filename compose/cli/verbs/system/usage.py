"""Sums over GET /system/df."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def build_cache_size(usage: Mapping[str, Any]) -> int:
    """The engine's own figure, or without one the sum of what is not shared with images."""
    if usage.get("BuilderSize"):
        return int(usage["BuilderSize"])
    return sum(int(one.get("Size") or 0) for one in usage.get("BuildCache") or () if not one.get("Shared"))
