"""Owners of leases as users write them: ``pid:N``, ``fd:N``, ``ttl:10m``."""

from __future__ import annotations

import os

from ...grammar import durations
from ...grammar.numerals import natural
from ..errors import UsageError


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None when there is none. A pid alone names nobody."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(text[text.rindex(b")") + 2 :].split()[19])


def parse_owner(text: str) -> dict[str, int | float]:
    """The owner of a request to the engine. Raises `UsageError`, also for a process or descriptor that is not there."""
    kind, _, value = text.partition(":")
    if kind == "pid" and natural(value) is not None:
        return process(int(value))
    if kind == "fd" and natural(value) is not None:
        try:
            os.fstat(int(value))
        except OSError as error:
            raise UsageError(f"lease owner {text}: this command has no such descriptor") from error
        return {"fd": int(value), **process(os.getpid())}
    if kind == "ttl" and value:
        try:
            seconds = durations.parse(value) / 1e9
        except ValueError as error:
            raise UsageError(f"lease owner {text}: {error}") from error
        if seconds <= 0:
            raise UsageError(f"lease owner {text}: want more than no time")
        return {"ttl": seconds}
    raise UsageError(f"lease owner {text!r}: want pid:N, fd:N or ttl:DURATION (ttl:10m)")


def process(pid: int) -> dict[str, int | float]:
    started = start_time(pid)
    if started is None:
        raise UsageError(f"lease owner pid:{pid}: there is no such process")
    return {"pid": pid, "starttime": started}
