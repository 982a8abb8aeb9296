"""The nearest known name to one that is not known, for messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint such as ``did you mean ports?``, or "" when nothing is close."""
    from difflib import get_close_matches

    if len(name) > 64:
        return ""
    names = {item.lower(): item for item in known if len(item) <= 64}
    found = get_close_matches(name.lower(), names, 1, 0.6 if len(name) > 3 else 0.5)
    return f"did you mean {names[found[0]]}?" if found else ""
