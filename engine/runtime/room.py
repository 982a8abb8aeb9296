"""Descriptors for those who carry other people's connections: as many as the hard limit allows, instead of the usual 1024.

A container inherits the limits of its shim, so a child on its way to the program takes back what was changed.
"""

from __future__ import annotations

import contextlib
import resource

_SPARE = 256
"""Of everything else that a process has open."""

_before: list[tuple[int, int]] = []


def make() -> None:
    """Raise the soft limit of this process to the hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard or _before:
        return
    with contextlib.suppress(OSError, ValueError):  # a hard limit above what the kernel allows by now
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        _before.append((soft, hard))


def give_back() -> None:
    """In a child: the limit that there was before."""
    if _before:
        resource.setrlimit(resource.RLIMIT_NOFILE, _before.pop())


def connections(most: int) -> int:
    """How many connections, two descriptors each, there is room for; ``most`` at most."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return most if soft == resource.RLIM_INFINITY else max(16, min(most, (soft - _SPARE) // 2))
