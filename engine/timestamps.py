"""Points in time as the Engine API reads and writes them: nanoseconds since the epoch inside, RFC 3339 outside. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from .errors import InvalidParameter

ZERO_TIME = "0001-01-01T00:00:00Z"
"""Go's zero time, which stands for "never"."""

_UNITS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_UNIX = re.compile(r"(-?\d+)(?:\.(\d{1,9})\d*)?")
_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d(?::\d\d(?::\d\d)?)?)(?:\.(\d{1,9})\d*)?)?(Z|[+-]\d\d:\d\d)?", re.IGNORECASE
)


def rfc3339(nanoseconds: int | None) -> str:
    """RFC 3339 with nanoseconds in UTC, as Go prints it: trailing zeros dropped. None is :data:`ZERO_TIME`."""
    if nanoseconds is None:
        return ZERO_TIME
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{rest:09d}".rstrip("0") + "Z" if rest else text + "Z"


def parse_rfc3339(text: str) -> int | None:
    """Nanoseconds since the epoch of an RFC 3339 time, whose clock and zone may be missing (then UTC); None if it is none."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    clock = (match[2] or "00:00:00") + ":00" * (2 - (match[2] or "00:00:00").count(":"))
    zone = (match[4] or "Z").upper().replace("Z", "+00:00")
    try:
        moment = datetime.fromisoformat(f"{match[1]}T{clock}{zone}")
    except ValueError:
        return None
    whole = int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    return whole * 10**9 + int((match[3] or "0").ljust(9, "0"))


def parse_time(text: str, now: int) -> int:
    """Nanoseconds since the epoch of Unix seconds with a fraction, an RFC 3339 time, or a Go duration back from ``now``.

    Raises InvalidParameter.
    """
    if match := _UNIX.fullmatch(text):
        sign = -1 if match[1].startswith("-") else 1
        return int(match[1]) * 10**9 + sign * int((match[2] or "0").ljust(9, "0"))
    if text and _PART.match(text) and not _PART.sub("", text):
        return now - sum(int(float(number) * _UNITS[unit]) for number, unit in _PART.findall(text))
    moment = parse_rfc3339(text)
    if moment is None:
        raise InvalidParameter(f'failed to parse value as time or duration: "{text}"')
    return moment
