"""What a verb with --dry-run says it would do: one line for each thing, in the words of all others."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def tell(lines: Iterable[tuple[str, str]]) -> int:
    """``(what, word)`` such as ``("Container shop-db-1", "Stopping")``. The exit code."""
    for what, word in lines:
        print(f"DRY-RUN MODE -  {what}  {word}")
    return 0
