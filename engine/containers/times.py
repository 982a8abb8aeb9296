"""Points in time as clients write them: Unix seconds with a fraction, RFC 3339, or a Go duration back from now. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from ..errors import InvalidParameter

_UNITS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_UNIX = re.compile(r"(-?\d+)(?:\.(\d{1,9})\d*)?")
_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d(?::\d\d(?::\d\d)?)?)(?:\.(\d{1,9})\d*)?)?(Z|[+-]\d\d:\d\d)?", re.IGNORECASE
)


def parse_time(text: str, now: int) -> int:
    """Nanoseconds since the epoch. Raises InvalidParameter."""
    if match := _UNIX.fullmatch(text):
        sign = -1 if match[1].startswith("-") else 1
        return int(match[1]) * 10**9 + sign * int((match[2] or "0").ljust(9, "0"))
    if text and _PART.match(text) and not _PART.sub("", text):
        return now - sum(int(float(number) * _UNITS[unit]) for number, unit in _PART.findall(text))
    if match := _RFC3339.fullmatch(text):
        clock = (match[2] or "00:00:00") + ":00" * (2 - (match[2] or "00:00:00").count(":"))
        zone = (match[4] or "Z").upper().replace("Z", "+00:00")
        try:
            moment = datetime.fromisoformat(f"{match[1]}T{clock}{zone}")
        except ValueError:
            raise InvalidParameter(f"invalid time: {text!r}") from None
        whole = int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
        return whole * 10**9 + int((match[3] or "0").ljust(9, "0"))
    raise InvalidParameter(f'failed to parse value as time or duration: "{text}"')
