"""Which directory entries decide what a path leads to."""

from __future__ import annotations

import os
from typing import NamedTuple

_LINKS = 40
"""As many symbolic links as the kernel follows (path_resolution(7))."""


class Step(NamedTuple):
    directory: str
    name: str


def approach(path: str) -> list[Step]:
    """The entries on the way to ``path`` (absolute), symbolic links and what they lead to included. The last one is that of
    the file itself, or the first that is not there."""
    steps: list[Step] = []
    at = "/"
    pending = _parts(path)
    links = 0
    while pending:
        name = pending.pop()
        if name == "..":
            at = os.path.dirname(at)
            continue
        steps.append(Step(at, name))
        here = os.path.join(at, name)
        try:
            target = os.readlink(here)
        except OSError:
            if pending and not os.path.isdir(here):
                break
            at = here
            continue
        links += 1
        if links > _LINKS:
            break
        if target.startswith("/"):
            at = "/"
        pending += _parts(target)
    return list(dict.fromkeys(steps))


def _parts(path: str) -> list[str]:
    """The names of a path, the first one last."""
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]
