"""Values that a schema admits and nothing can be made of: numbers out of range, and names without a letter. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..contents import uses

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..errors import Path
    from ..model.service import Service
    from ..model.values import Exposed

    Finding = tuple[Path, str]

_LAST_PORT = 65535


def service_bounds(name: str, service: Service) -> Iterator[Finding]:
    """What is wrong with a bound service's own values, with the places."""
    path: Path = ("services", name)
    for index, port in enumerate(service.get("ports", ())):
        if not 0 < port.get("target", 0) <= _LAST_PORT:
            yield (*path, "ports", index), f"a container's port is between 1 and {_LAST_PORT}"
    for index, exposed in enumerate(service.get("expose", ())):
        if not _is_exposable(exposed):
            message = f"expose takes ports between 1 and {_LAST_PORT}, as 80, 80-90 or 53/udp, not {exposed!r}"
            yield (*path, "expose", index), message
    for index, device in enumerate(service.get("devices", ())):
        if not device.get("source"):
            yield (*path, "devices", index), "a device needs a source, such as /dev/fuse"
    for use in uses(service):
        for key, value in (("uid", use.reference.get("uid", "0")), ("gid", use.reference.get("gid", "0"))):
            if not re.fullmatch(r"\d{1,10}", value):
                yield (*path, use.noun, use.position, key), f"{key} is a number, not {value!r}"


def _is_exposable(exposed: Exposed) -> bool:
    try:
        exposed.ports  # noqa: B018  (read once, and kept)
    except ValueError:
        return False
    return True


def duplicate_names(services: Mapping[str, Service]) -> Iterator[Finding]:
    """Container names that two services of one project want."""
    owners: dict[str, str] = {}
    for name, service in services.items():
        wanted = service.get("container_name")
        if not wanted:
            continue
        first = owners.setdefault(wanted, name)
        if first != name:
            path = ("services", name, "container_name")
            yield path, f'container name "{wanted}" is already that of service "{first}"'
