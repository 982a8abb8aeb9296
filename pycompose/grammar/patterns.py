"""Regular expressions that users give: Go's, as Docker has them.

RE2 takes time in proportion to its input, whatever the pattern: Python's re could hold an engine or a server up for years.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

_MEMORY = 1 << 20
"""Bytes that a compiled pattern may take; what wants more is refused."""
_KEPT = 64


class Pattern(Protocol):
    """What is used of a compiled expression."""

    def search(self, data: bytes | str, /) -> object | None: ...


@lru_cache(_KEPT)
def compiled(text: str, *, literal: bool = False, case_sensitive: bool = True) -> Pattern:
    """Raises ValueError, which says why, for what is no expression."""
    import re2  # here: most commands and engines are never given one

    options = re2.Options()
    options.literal = literal
    options.case_sensitive = case_sensitive
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        pattern: Pattern = re2.compile(text, options)  # type: ignore[no-untyped-call]
    except re2.error as error:
        reason = error.args[0]
        raise ValueError(reason.decode() if isinstance(reason, bytes) else reason) from None
    return pattern
