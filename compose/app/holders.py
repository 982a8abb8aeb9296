"""Who has a host port: a container of the same engine, or a program of this machine."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from ..errors import EngineError
from ..labels import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..client import Engine
    from ..plan.remedies import TakenPort

_LISTENING = "0A"
_UNCONNECTED = "07"


def port_holder(engine: Engine, taken: TakenPort) -> str:
    """``container web-1 of project shop`` or ``python3 (pid 12)``; "" where nobody can be found."""
    return _container(engine, taken) or (_process(taken) if engine.endpoint.address.path is not None else "")


def _container(engine: Engine, taken: TakenPort) -> str:
    try:
        found = engine.containers.list(all=False)
    except EngineError:
        return ""
    for one in found:
        for port in one.get("Ports") or ():
            if port.get("PublicPort") == taken.port and (port.get("Type") or "tcp") == taken.protocol:
                project = (one.get("Labels") or {}).get(PROJECT)
                name = str((one.get("Names") or [one["Id"]])[0]).removeprefix("/")
                return f"container {name}{f' of project {project}' if project else ''}"
    return ""


def _process(taken: TakenPort) -> str:
    inodes = set(_inodes(taken))
    if not inodes:
        return ""
    for entry in os.listdir("/proc"):
        if entry.isdigit() and inodes & _sockets(entry):
            return f"{_name(entry)} (pid {entry})"
    return ""


def _inodes(taken: TakenPort) -> Iterator[str]:
    """The sockets that have the port, from the kernel's tables."""
    state = _LISTENING if taken.protocol == "tcp" else _UNCONNECTED
    for family in ("", "6"):
        try:
            with open(f"/proc/net/{taken.protocol}{family}") as table:
                rows = [line.split() for line in list(table)[1:]]
        except OSError:
            continue
        for row in rows:
            if int(row[1].rpartition(":")[2], 16) == taken.port and row[3] == state:
                yield row[9]


def _sockets(pid: str) -> set[str]:
    """Inodes of the sockets that a process has open; none of a process that is another user's or gone."""
    found: set[str] = set()
    try:
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            matched = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{descriptor}"))
            if matched is not None:
                found.add(matched[1])
    except OSError:
        return found
    return found


def _name(pid: str) -> str:
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return "a program"
