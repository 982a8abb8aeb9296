"""Values that a schema admits and nothing can be made of: numbers out of range, and names without a letter. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..errors import Path

    Finding = tuple[Path, str]

_EXPOSED = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/[A-Za-z]+)?")
_LAST_PORT = 65535


def service_bounds(name: str, service: Mapping[str, Any]) -> Iterator[Finding]:
    """What is wrong with a bound service's own values, with the places."""
    path: Path = ("services", name)
    for index, port in enumerate(service.get("ports") or ()):
        if not 0 < int(port.get("target") or 0) <= _LAST_PORT:
            yield (*path, "ports", index), f"a container's port is between 1 and {_LAST_PORT}"
    for index, port in enumerate(service.get("expose") or ()):
        if not _is_exposable(str(port)):
            message = f"expose takes ports between 1 and {_LAST_PORT}, as 80, 80-90 or 53/udp, not {str(port)!r}"
            yield (*path, "expose", index), message
    for index, device in enumerate(service.get("devices") or ()):
        source = device.get("source") if isinstance(device, dict) else str(device).partition(":")[0]
        if not source:
            yield (*path, "devices", index), "a device needs a source, such as /dev/fuse"
    for noun in ("configs", "secrets"):
        for index, use in enumerate(service.get(noun) or ()):
            for key in ("uid", "gid"):
                value = str(use.get(key) or 0)
                if not re.fullmatch(r"\d{1,10}", value):
                    yield (*path, noun, index, key), f"{key} is a number, not {value!r}"


def _is_exposable(text: str) -> bool:
    found = _EXPOSED.fullmatch(text)
    return found is not None and 0 < int(found[1]) <= int(found[2] or found[1]) <= _LAST_PORT


def duplicate_names(services: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
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
