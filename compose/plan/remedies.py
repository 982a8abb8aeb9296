"""Errors of engines at run time in the terms of the Compose file: the place, the cause and what to do about it. Pure.

An engine speaks of containers in Docker's words (ours as well, since its clients compare them). Who reads them here has
written a file, and wants to hear which line of it asks for what cannot be had.
"""

from __future__ import annotations

import os.path
import re
from typing import TYPE_CHECKING, NamedTuple

from ..errors import Diagnostic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..errors import Path
    from ..model import Project
    from ..model.service import Port, Service

_PORT_TAKEN = (
    re.compile(r"listen (?P<protocol>tcp|udp|sctp)[46]? \S*?:(?P<port>\d+): bind: address already in use"),
    re.compile(r"[Bb]ind for \S*?:(?P<port>\d+) failed: port is already allocated"),
)
_NO_EXEC = re.compile(r'exec: "(?P<program>[^"]*)": (?:stat \S+: )?(?P<why>[^:\n]+?(?: in \$PATH)?)(?:: unknown|$|\n)')
_NO_EXEC_FORMAT = re.compile(r"exec (?P<program>\S+): exec format error|exec format error")


class TakenPort(NamedTuple):
    port: int
    protocol: str


def taken_port(message: str) -> TakenPort | None:
    """The host port that an engine could not have."""
    for pattern in _PORT_TAKEN:
        found = pattern.search(message)
        if found is not None:
            return TakenPort(int(found["port"]), found.groupdict().get("protocol") or "tcp")
    return None


def explain(project: Project, service_name: str, message: str, holder: Callable[[TakenPort], str]) -> Diagnostic | None:
    """What ``message``, of a container of the service that could not be started, means; None for what is not known here.
    ``holder`` tells who has a port: ``python3 (pid 12)``, or "" where nobody knows."""
    service = project.services.get(service_name)
    if service is None:
        return None
    taken = taken_port(message)
    if taken is not None:
        return _port(project, service_name, service, taken, holder(taken))
    found = _NO_EXEC.search(message)
    if found is not None:
        return _program(project, service_name, service, found["program"], found["why"])
    if _NO_EXEC_FORMAT.search(message):
        words = "the program is for another processor, or a script without a first line such as #!/bin/sh"
        return Diagnostic(words, mark=project.mark(*_command_path(service_name, service)))
    return None


def _port(project: Project, name: str, service: Service, taken: TakenPort, holder: str) -> Diagnostic:
    index = next(
        (index for index, one in enumerate(service.get("ports") or ()) if _publishes(one, taken)),
        None,
    )
    path: Path = ("services", name, "ports") if index is None else ("services", name, "ports", index)
    return port_in_use(project, path, taken, holder)


def port_in_use(project: Project, path: Path, taken: TakenPort, holder: str) -> Diagnostic:
    """A host port that ``path`` asks for and ``holder`` has ("" for nobody known)."""
    words = f"port {taken.port}{'' if taken.protocol == 'tcp' else '/' + taken.protocol} is used by {holder or 'another program'}"
    return Diagnostic(f"{words}; choose another, or --ports auto", mark=project.mark(*path))


def _publishes(port: Port, taken: TakenPort) -> bool:
    first, _, last = str(port.get("published") or "").partition("-")
    if not first.isdecimal() or (port.get("protocol") or "tcp") != taken.protocol:
        return False
    return int(first) <= taken.port <= int(last if last.isdecimal() else first)


def _command_path(name: str, service: Service) -> Path:
    key = next((key for key in ("entrypoint", "command") if service.get(key)), "image")
    return "services", name, key


def _program(project: Project, name: str, service: Service, program: str, why: str) -> Diagnostic:
    mark = project.mark(*_command_path(name, service))
    source = host_path(service, program)
    if why == "permission denied" and source is None:
        return Diagnostic(f"{program} is not executable", mark=mark, hint="chmod +x it in the image")
    if why == "permission denied":
        if source is not None and os.path.isdir(source):
            return Diagnostic(f"{program} is a directory: {relative(source, project)}", mark=mark)
        shown = relative(str(source), project)
        return Diagnostic(f"{program} is not executable; chmod +x {shown}", mark=mark)
    if "not found" in why:
        image = service.get("image") or f"the image of service {name}"
        return Diagnostic(f"{program} is not found in $PATH of {image}", mark=mark)
    if "no such file" in why:
        words = f"{program} does not exist in the container, or the program of its first line (#!) does not"
        return Diagnostic(words, mark=mark)
    return Diagnostic(f"{program}: {why}", mark=mark)


def host_path(service: Service, path: str) -> str | None:
    """Where ``path`` of the container lies on the host, if it is below a bind mount."""
    binds = [one for one in service.get("volumes") or () if one.get("type") == "bind" and one.get("source")]
    for one in sorted(binds, key=lambda one: len(str(one["target"])), reverse=True):
        target = str(one["target"]).rstrip("/")
        if path == target or path.startswith(f"{target}/"):
            return str(one["source"]) + path[len(target) :]
    return None


def relative(path: str, project: Project) -> str:
    """As a user in the project's directory would write it."""
    short = os.path.relpath(path, project.directory)
    return path if short.startswith("..") else short


def missing_image(project: Project, service_name: str, ref: str, local: Sequence[str]) -> Diagnostic:
    """An image that is neither here nor to be had; ``local`` are the names of those that are here."""
    from ..load.suggest import nearest

    mark = project.mark("services", service_name, "image")
    if ref in local or f"{ref}:latest" in local:
        return Diagnostic(f'image "{ref}" is here already, and no registry is reachable for a newer one', mark=mark)
    hint = nearest(ref, [name.removesuffix(":latest") if ":" not in ref else name for name in local])
    return Diagnostic(
        f'image "{ref}" not found here, and no registry reachable',
        mark=mark,
        hint=f"{hint.rstrip('?')} (local)?" if hint else "",
    )
