"""Limits of processes as Docker's command takes them: ``NAME=SOFT[:HARD]``, with Linux's names; -1 is no limit."""

from __future__ import annotations

from typing import NamedTuple

NAMES = frozenset(
    [
        "core",
        "cpu",
        "data",
        "fsize",
        "locks",
        "memlock",
        "msgqueue",
        "nice",
        "nofile",
        "nproc",
        "rss",
        "rtprio",
        "rttime",
        "sigpending",
        "stack",
    ]
)


class Limit(NamedTuple):
    name: str
    soft: int
    hard: int


def parse(text: str) -> Limit:
    """Without HARD it is SOFT. Raises ValueError, also for what no process can have."""
    name, equals, limits = text.partition("=")
    if not equals:
        raise ValueError(f"invalid ulimit argument: {text}")
    soft, colon, hard = limits.partition(":")
    first = _number(soft)
    return checked(Limit(name, first, _number(hard) if colon else first))


def checked(limit: Limit) -> Limit:
    """Itself. Raises ValueError for a name that is none, or a soft limit above the hard one."""
    name, soft, hard = limit
    if name not in NAMES:
        raise ValueError(f"invalid ulimit type: {name}")
    if hard != -1 and (soft > hard or soft == -1):
        raise ValueError(f"ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}")
    return limit


def _number(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise ValueError(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None
