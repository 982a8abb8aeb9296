"""Where keeper, engine and shims live among the control groups: not in those of whoever happened to start them.

A command in an ssh session or in a service's unit starts the engine when there is none. systemd ends a session's or unit's
processes by their control group, which they never leave by themselves; containers would go with somebody's logout. So the keeper,
of which all others are children, moves into a group of its own in the hierarchies that systemd watches (name=systemd of v1, and v2).
Where that is not permitted nothing happens. A keeper in the foreground stays: there a service manager is meant to watch it.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from ..linux.cgroup import make

if TYPE_CHECKING:
    from ..layout import Layout
    from ..linux.cgroup import Hierarchies

_LEAF = "engine"
"""On v2 a group with controllers handed down holds no processes itself."""


def _watched(hierarchies: Hierarchies) -> list[tuple[str, str]]:
    """(mount point, our group) of the hierarchies that systemd tells processes apart by."""
    points = {"name=systemd": hierarchies.v1.get("name=systemd"), "": hierarchies.unified}
    found = []
    with open("/proc/self/cgroup", "rb") as file:
        lines = os.fsdecode(file.read()).splitlines()
    for line in lines:
        _, names, path = line.split(":", 2)
        point = points.get(names)
        if point is not None:
            found.append((point, path))
    return found


def move_out(layout: Layout, hierarchies: Hierarchies) -> None:
    """Leave the caller's groups; a process that is in a root group is in nobody's. For a process with one thread."""
    points = [point for point, path in _watched(hierarchies) if path != "/"]
    if not points:
        return
    keeper = os.getpid()
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:  # in a child, which has to load OpenSSL for the instance's name, and then goes
        for point in points:
            leaf = f"{point}/pycompose-{layout.instance}/{_LEAF}"
            if make(leaf) is None:
                with contextlib.suppress(OSError):  # not permitted: then it is as it was
                    _enter(leaf, keeper)
    finally:
        os._exit(0)


def move_back(instance: str, hierarchies: Hierarchies) -> None:
    """Remove our own groups, as far as nobody else is in them: at the end, from the root groups."""
    for point, path in _watched(hierarchies):
        base = f"{point}/pycompose-{instance}"
        try:
            if path == f"/pycompose-{instance}/{_LEAF}":
                _enter(point, os.getpid())
            for directory in (f"{base}/{_LEAF}", base):
                os.rmdir(directory)
        except OSError:
            continue


def _enter(directory: str, pid: int) -> None:
    with open(f"{directory}/cgroup.procs", "w") as file:
        file.write(str(pid))
