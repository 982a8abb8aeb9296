"""Truth values as Go reads them: ``1``, ``t``, ``true`` … and ``0``, ``f``, ``false`` …"""

from __future__ import annotations

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})


def parse(text: str) -> bool:
    """Raises ValueError for anything else, ``yes`` included."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError(f'invalid syntax: "{text}"')
