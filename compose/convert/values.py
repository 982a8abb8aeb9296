"""Scalars as the Engine API and clusters want them: whole seconds, bytes, octal modes, mappings."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model.values import Duration

T = TypeVar("T")


def seconds(value: Duration) -> int:
    """A duration in whole seconds, rounded up: at least one unless it is zero."""
    return -(-value // 10**9)


def byte_count(value: int | str) -> int:
    """A size (``64m``, ``"67108864"``, a number) in bytes; -1 is no limit. Raises ValueError."""
    if isinstance(value, int):
        return int(value)
    from ...grammar import sizes

    text = value.strip()
    return -1 if text == "-1" else sizes.parse(text)


def file_mode(value: int | str | None, default: int) -> int:
    """A mode: a number, or octal digits in a string."""
    if value is None:
        return default
    return int(value, 8) if isinstance(value, str) else value


def pairs(value: Mapping[str, T] | list[str] | None) -> dict[str, T | str]:
    """A mapping, or a list of ``key=value``, as a mapping."""
    if not value:
        return {}
    if isinstance(value, list):
        return {key: rest for key, _, rest in (item.partition("=") for item in value)}
    return dict(value)
