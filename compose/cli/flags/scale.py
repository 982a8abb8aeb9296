"""``--scale SERVICE=NUM``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .parser import FlagError

if TYPE_CHECKING:
    from collections.abc import Sequence


_DIGITS = 9


def parse_scale(items: Sequence[str]) -> dict[str, int]:
    """``SERVICE=NUM`` items. Raises `FlagError`."""
    result: dict[str, int] = {}
    for item in items:
        name, equals, count = item.partition("=")
        if not equals or not (count.isascii() and count.isdigit() and len(count) <= _DIGITS) or not name:
            raise FlagError(f'invalid scale specifier "{item}". Should be SERVICE=NUM')
        result[name] = int(count)
    return result
