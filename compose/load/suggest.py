"""The nearest known name to one that is not known, for messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

CANDIDATES = 5


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint such as ``did you mean ports?``, or "" when nothing is close."""
    from difflib import get_close_matches

    if len(name) > 64:
        return ""
    names = {item.lower(): item for item in known if len(item) <= 64}
    found = get_close_matches(name.lower(), names, CANDIDATES, 0.6 if len(name) > 3 else 0.5)
    if not found:
        return ""
    return f"did you mean {names[min(found, key=lambda one: _distance(name.lower(), one))]}?"


def _distance(left: str, right: str) -> int:
    """How many letters are wrong, missing, too many, or have changed places with their neighbour."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        before, last = row, before
        row = [i]
        for j, b in enumerate(right, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]
