"""Host ports that two services of one plan want: only one of them could start. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import Diagnostic, PlanError
from .containers import desired_count

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ...model import Project

    Address = tuple[str, str, str]

_ANYWHERE = ("", "0.0.0.0", "::")


def check_host_ports(project: Project, names: Sequence[str], scale: Mapping[str, int]) -> None:
    """Raises `PlanError` for a fixed host port that two of the services ``names`` publish."""
    taken: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for name in names:
        service = project.services[name]
        if not desired_count(service, scale.get(name)):
            continue
        for index, (host, port, protocol) in _fixed(service):
            for other, other_host in taken.get((port, protocol), ()):
                if other != name and (host == other_host or host in _ANYWHERE or other_host in _ANYWHERE):
                    path = ("services", name, "ports", index)
                    message = f"host port {port}/{protocol} is published by service {other} as well"
                    raise PlanError(str(Diagnostic(message, path, project.mark(*path))))
            taken.setdefault((port, protocol), []).append((name, host))


def _fixed(service: Mapping[str, Any]) -> Iterator[tuple[int, Address]]:
    for index, port in enumerate(service.get("ports") or ()):
        published = str(port.get("published") or "")
        if published.isdecimal() and int(published):
            yield index, (str(port.get("host_ip") or ""), published, str(port.get("protocol") or "tcp"))
