"""Durations as Go writes and reads them: ``1h30m``, ``1.5s``, ``-3ms``, ``0``. Values are whole nanoseconds."""

from __future__ import annotations

import re

_UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_TERM = re.compile(r"(\d*)(\.\d*)?([^\d.]+)", re.ASCII)
_NUMBER = re.compile(r"\d+\.?\d*|\.\d+", re.ASCII)
_LONGEST = 4096


def parse(text: str) -> int:
    """Nanoseconds; raises ValueError with Go's message. A bare number is refused unless it is 0."""
    invalid = ValueError(f'time: invalid duration "{text}"')
    sign = -1 if text[:1] == "-" else 1
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0
    if not rest or len(rest) > _LONGEST:
        raise invalid
    total = 0
    at = 0
    while at < len(rest):
        match = _TERM.match(rest, at)
        if match is None and _NUMBER.fullmatch(rest, at):
            raise ValueError(f'time: missing unit in duration "{text}"')
        if match is None or (not match[1] and len(match[2] or "") < 2):
            raise invalid
        whole, fraction, unit = match.groups()
        if unit not in _UNITS:
            raise ValueError(f'time: unknown unit "{unit}" in duration "{text}"')
        total += int(whole or 0) * _UNITS[unit]
        digits = (fraction or ".")[1:]
        if digits:
            total += int(digits) * _UNITS[unit] // 10 ** len(digits)
        at = match.end()
    if total > 2**63 - (sign > 0):
        raise invalid
    return sign * total


def seconds(text: str) -> float:
    """Seconds of a number of them, ``90``, or a duration, ``1m30s``. Raises ValueError; for what is negative, too."""
    nanoseconds = parse(f"{text}s" if _NUMBER.fullmatch(text) else text)
    if nanoseconds < 0:
        raise ValueError(f'time: invalid duration "{text}"')
    return nanoseconds / 1e9


def format(nanoseconds: int) -> str:
    """The canonical form, as ``1m30s`` or ``1.5ms``."""
    if nanoseconds == 0:
        return "0s"
    sign = "-" if nanoseconds < 0 else ""
    value = abs(nanoseconds)
    if value < 10**9:
        unit, size = next(
            (unit, size) for unit, size in (("ns", 1), ("µs", 10**3), ("ms", 10**6)) if value < size * 1000
        )
        return f"{sign}{_decimal(value, size)}{unit}"
    minutes, rest = divmod(value, 60 * 10**9)
    seconds = f"{_decimal(rest, 10**9)}s"
    if not minutes:
        return f"{sign}{seconds}"
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours}h{minutes}m{seconds}" if hours else f"{sign}{minutes}m{seconds}"


def _decimal(value: int, size: int) -> str:
    whole, rest = divmod(value, size)
    if not rest:
        return str(whole)
    digits = len(str(size)) - 1
    return f"{whole}.{rest:0{digits}d}".rstrip("0")
