"""Scalars of the canonical model as the Engine API wants them: nanoseconds, bytes, octal modes, lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def nanoseconds(value: Any) -> int:
    """A duration (``1m30s``, or a number of seconds) in nanoseconds. Raises ValueError."""
    if isinstance(value, (int, float)):
        return int(value * 10**9)
    from ...grammar import durations

    return durations.parse(str(value).strip() or "0")


def seconds(value: Any) -> int:
    """A duration in whole seconds, rounded up to at least one unless it is zero."""
    return -(-nanoseconds(value) // 10**9)


def byte_count(value: Any) -> int:
    """A size (``64m``, ``"67108864"``, a number) in bytes; -1 is no limit. Raises ValueError."""
    if isinstance(value, (int, float)):
        return int(value)
    from ...grammar import sizes

    text = str(value).strip()
    return -1 if text == "-1" else sizes.parse(text)


def file_mode(value: Any, default: int) -> int:
    """A mode: a number, or octal digits in a string."""
    if value is None:
        return default
    return int(value, 8) if isinstance(value, str) else int(value)


def pairs(value: Mapping[str, Any] | list[str] | None, separator: str = "=") -> dict[str, Any]:
    """A mapping, or a list of ``key=value``, as a mapping."""
    if not value:
        return {}
    if isinstance(value, list):
        return {key: rest for key, _, rest in (item.partition(separator) for item in value)}
    return dict(value)


def field(tree: Mapping[str, Any], name: str) -> Any:
    """``tree[name]`` whatever the capitals: Docker Compose prints some keys as its structs have them."""
    for key, value in tree.items():
        if key.lower() == name:
            return value
    return None
