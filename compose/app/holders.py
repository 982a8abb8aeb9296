"""Who has a host port: a container of the same engine, or a program of this machine."""

from __future__ import annotations

import os
import re
import socket
import struct
from typing import TYPE_CHECKING, NamedTuple

from ..errors import EngineError
from ..labels import PROJECT
from ..plan.remedies import TakenPort, port_in_use

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..client import Engine
    from ..errors import Diagnostic
    from ..model import Project
    from ..plan.preflight import WantedPort

_LISTENING = "0A"
_UNCONNECTED = "07"


def port_holder(engine: Engine, taken: TakenPort) -> str:
    """``container web-1 of project shop`` or ``python3 (pid 12)``; "" where nobody can be found."""
    return _container(engine, taken) or (_process(taken) if engine.endpoint.address.path is not None else "")


def ports_in_use(engine: Engine, project: Project, wanted: Iterable[WantedPort]) -> list[Diagnostic]:
    """Host ports that somebody else listens on already, each at its place in the file.

    Only where this process sees the ports that the engine would bind: our own engine, in this network namespace. Ports of the
    project's own containers count as free, since who has them may be replaced or removed. What takes a port after this look
    is told by the start that fails.
    """
    found: list[Diagnostic] = []
    tables: dict[str, list[_Row]] = {}
    for one in wanted:
        if one.protocol not in tables:
            tables[one.protocol] = list(_rows(one.protocol))
        taken = TakenPort(one.port, one.protocol)
        if not any(row.port == one.port and one.meets(row.address) for row in tables[one.protocol]):
            continue
        if not engine.is_pycompose or not _same_network(engine) or _own(engine, project, taken):
            continue
        found.append(port_in_use(project, one.path, taken, port_holder(engine, taken)))
    return found


def _same_network(engine: Engine) -> bool:
    """Whether the engine's socket was opened in this process's network namespace; False where that cannot be seen."""
    path = engine.endpoint.address.path
    if path is None:
        return False
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)
            pid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        return os.readlink(f"/proc/{pid}/ns/net") == os.readlink("/proc/self/ns/net")
    except OSError:
        return False


def _own(engine: Engine, project: Project, taken: TakenPort) -> bool:
    return _publisher(engine, taken)[1] == project.name


def _container(engine: Engine, taken: TakenPort) -> str:
    name, project = _publisher(engine, taken)
    return f"container {name}{f' of project {project}' if project else ''}" if name else ""


def _publisher(engine: Engine, taken: TakenPort) -> tuple[str, str]:
    """The running container that publishes the port and its project; empty where there is none."""
    try:
        found = engine.containers.list(all=False)
    except EngineError:
        return "", ""
    for one in found:
        for port in one.get("Ports") or ():
            if port.get("PublicPort") == taken.port and (port.get("Type") or "tcp") == taken.protocol:
                name = str((one.get("Names") or [one["Id"]])[0]).removeprefix("/")
                return name, str((one.get("Labels") or {}).get(PROJECT) or "")
    return "", ""


def _process(taken: TakenPort) -> str:
    inodes = {row.inode for row in _rows(taken.protocol) if row.port == taken.port}
    if not inodes:
        return ""
    for entry in os.listdir("/proc"):
        if entry.isdecimal() and inodes & _sockets(entry):
            return f"{_name(entry)} (pid {entry})"
    return ""


class _Row(NamedTuple):
    """A socket that receives on a port."""

    address: str
    port: int
    inode: str


def _rows(protocol: str) -> Iterator[_Row]:
    """The listening sockets of the protocol, from the kernel's tables."""
    state = _LISTENING if protocol == "tcp" else _UNCONNECTED
    for family in ("", "6"):
        try:
            with open(f"/proc/net/{protocol}{family}") as table:
                rows = [line.split() for line in list(table)[1:]]
        except OSError:
            continue
        for row in rows:
            if row[3] == state:
                address, _, port = row[1].rpartition(":")
                yield _Row(_address(address), int(port, 16), row[9])


def _address(text: str) -> str:
    """The kernel prints an address as words of 32 bits, each as this processor reads it."""
    words = (text[index : index + 8] for index in range(0, len(text), 8))
    packed = b"".join(struct.pack("=I", int(word, 16)) for word in words)
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


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
        with open(f"/proc/{pid}/comm", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return "a program"
