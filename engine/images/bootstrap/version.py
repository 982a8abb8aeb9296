"""Debian package versions: order (deb-version(7)) and relations (``>= 2.36``). Pure."""

from __future__ import annotations

import re
from functools import lru_cache

_Key = tuple[tuple[tuple[int, ...], int], ...]
_PARTS = re.compile(r"(\D*)(\d*)")


def _rank(character: str) -> int:
    if character == "~":
        return -1
    return ord(character) if character.isalpha() else ord(character) + 256


def _key(text: str) -> _Key:
    # A non-digit part ends with 0, so that "~" (-1) sorts before the end and letters after it.
    parts = [(word, number) for word, number in _PARTS.findall(text) if word or number]
    return (*(((*map(_rank, word), 0), int(number or 0)) for word, number in parts), ((0,), 0))


@lru_cache(maxsize=4096)
def key(version: str) -> tuple[int, _Key, _Key]:
    """A sort key for a whole version ``[epoch:]upstream[-revision]``."""
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    # A revision that is not there counts as 0 (deb-version(7)).
    return (int(epoch) if epoch.isdecimal() else 0, _key(upstream), _key(revision or "0"))


def satisfies(version: str, relation: str, wanted: str) -> bool:
    """Whether ``version`` stands in ``relation`` (``<<``, ``<=``, ``=``, ``>=``, ``>>``) to ``wanted``."""
    left, right = key(version), key(wanted)
    if relation == "=":
        return left == right
    if relation in ("<<", "<="):
        return left < right or (relation == "<=" and left == right)
    return left > right or (relation in (">=", ">") and left == right)
