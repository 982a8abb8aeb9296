"""Restart policies as users write them: ``no``, ``always``, ``unless-stopped``, ``on-failure[:RETRIES]``."""

from __future__ import annotations

NAMES = ("no", "always", "on-failure", "unless-stopped")


def parse(text: str) -> tuple[str, int]:
    """(name, retries). Raises ValueError; which names exist, and which take retries, the engine decides."""
    name, colon, count = text.partition(":")
    if colon and not name:
        raise ValueError("invalid restart policy format: no policy provided before colon")
    if not colon:
        return name, 0
    digits = count[1:] if count[:1] in ("-", "+") else count
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
        raise ValueError("invalid restart policy format: maximum retry count must be an integer")
    return name, int(count)
