"""Times of the Engine API: RFC 3339 with nanoseconds."""

from __future__ import annotations

from datetime import datetime


def epoch(text: str) -> float:
    """Seconds since the epoch; 0 for what is no time."""
    body, dot, rest = text.removesuffix("Z").partition(".")
    try:
        return datetime.fromisoformat(f"{body}{dot}{rest[:6]}+00:00").timestamp()
    except ValueError:
        return 0.0


def seconds_since(text: str, now: float) -> float:
    return now - epoch(text)
