"""Spans of time as Docker's listings say them: ``3 minutes``, ``About an hour``, ``2 weeks``."""

from __future__ import annotations

_DAY, _WEEK, _MONTH, _YEAR = 24, 24 * 7, 24 * 30, 24 * 365


def format(seconds: float) -> str:
    """The span in words. Hours are rounded, half an hour up; all else is cut off."""
    span = int(seconds)
    if span < 1:
        return "Less than a second"
    if span == 1:
        return "1 second"
    if span < 60:
        return f"{span} seconds"
    minutes = span // 60
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    hours = int(seconds / 3600 + 0.5)
    if hours == 1:
        return "About an hour"
    if hours < 2 * _DAY:
        return f"{hours} hours"
    if hours < 2 * _WEEK:
        return f"{hours // _DAY} days"
    if hours < 2 * _MONTH:
        return f"{hours // _WEEK} weeks"
    if hours < 2 * _YEAR:
        return f"{hours // _MONTH} months"
    return f"{int(seconds) // 3600 // _YEAR} years"
