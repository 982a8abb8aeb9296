"""From a session that shows a difference to a short one that shows it still."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .steps import Step


def shrunk(steps: Sequence[Step], shows: Callable[[Sequence[Step]], bool], tries: int = 25) -> list[Step]:
    """Fewest steps found, in at most ``tries`` replays. The last step stays: it is the one that differs."""
    *before, last = steps
    size = len(before)
    while size and tries > 0:
        kept = list(before)
        position = 0
        while position < len(before) and tries > 0:
            candidate = before[:position] + before[position + size :]
            tries -= 1
            if shows([*candidate, last]):
                before = candidate
            else:
                position += size
        if before == kept or size > len(before):
            size //= 2
    return [*before, last]
