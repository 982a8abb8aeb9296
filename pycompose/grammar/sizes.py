"""Numbers of bytes: ``512m``, ``1.5GiB``, ``100``, ``1e3``, and how listings show them.

Docker reads most sizes in powers of 1024, whatever the suffix; the ``max-size`` of a log file in powers of 1000.
"""

from __future__ import annotations

import re

_POWERS = "kmgtp"
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.ASCII | re.IGNORECASE)
_LARGEST = 2**63
_LONGEST = 4096


def parse(text: str) -> int:
    """Bytes; ``k``, ``kb`` and ``kib`` are 1024. Raises ValueError."""
    return _parse(text, 1024)


def parse_decimal(text: str) -> int:
    """Bytes; ``k``, ``kb`` and ``kib`` are 1000. Raises ValueError."""
    return _parse(text, 1000)


def _parse(text: str, base: int) -> int:
    last = max((index for index, char in enumerate(text[:_LONGEST]) if char in "0123456789. "), default=-1)
    number = text[:last] if text[last : last + 1] == " " else text[: last + 1]
    suffix = text[last + 1 :].lower()
    if last < 0 or len(text) > _LONGEST or not _NUMBER.fullmatch(number):
        raise ValueError(f"invalid size: '{text}'")
    size = float(number)
    if suffix and suffix != "b":
        power = _POWERS.find(suffix[0]) + 1
        if not power or suffix[1:] not in ("", "b", "ib"):
            hint = f"; write {number}{suffix[0]}" if power and suffix[1:] == "i" else ""
            raise ValueError(f"invalid suffix: '{suffix}'{hint}")
        size *= base**power
    if not 0 <= size < _LARGEST:
        raise ValueError(f"invalid size: '{text}'")
    return int(size)


def decimal(count: float, digits: int = 4) -> str:
    """``12.34MB``, in powers of 1000, with that many significant digits."""
    return _scaled(count, 1000.0, ("B", "kB", "MB", "GB", "TB", "PB"), digits)


def binary(count: float) -> str:
    """``12.34MiB``, in powers of 1024, with four significant digits."""
    return _scaled(count, 1024.0, ("B", "KiB", "MiB", "GiB", "TiB", "PiB"), 4)


def _scaled(count: float, base: float, units: tuple[str, ...], digits: int) -> str:
    index = 0
    while count >= base and index < len(units) - 1:
        count /= base
        index += 1
    return f"{count:.{digits}g}{units[index]}"
