"""Whole numbers that other people have written. Python's int() takes the digits of every script, and raises for kilobytes of them."""

from __future__ import annotations

DIGITS = 20
"""As many as the largest number of 64 bits has."""


def natural(text: str) -> int | None:
    """The number that ``text`` is, in ASCII digits and not more than DIGITS of them; None for all else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= DIGITS else None
