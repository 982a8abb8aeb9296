"""The words inside a container listing's status, such as ``Exited (3) 2 minutes ago`` or ``Up 3 seconds (healthy)``."""

from __future__ import annotations

_DIGITS = 9
_HEALTH = (("starting", "(health: starting)"), ("unhealthy", "(unhealthy)"), ("healthy", "(healthy)"))


def health_word(status: str) -> str:
    """The health: healthy, unhealthy, starting, or "" without a check."""
    for word, mark in _HEALTH:
        if mark in status:
            return word
    return ""


def exit_code(status: str) -> int | None:
    """The exit code of a container that ended or is being restarted; None for one that runs."""
    if not status.startswith(("Exited (", "Restarting (")):
        return None
    text = status.partition("(")[2].partition(")")[0]
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS else None
