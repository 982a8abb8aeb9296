"""A stack's addresses as environment variables, for `env`, `test` and the pytest plugin. Pure.

For service ``db`` (its first container), in capitals with everything else as underscore:

    DB_HOST        where to reach it: the published address (127.0.0.1 for all), without published ports its own address
    DB_PORT        the host port of its lowest container port; without published ports its lowest exposed port
    DB_5432        the host port that leads to its port 5432; DB_53_UDP for another protocol than tcp
"""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from ..errors import OperationError
from ..labels import SERVICE
from ..plan.ephemeral import variable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..client.bodies.containers import ContainerRow

FORMATS = ("shell", "json", "dotenv")
_EVERYWHERE = ("", "0.0.0.0", "::")


def environment(containers: Iterable[ContainerRow]) -> dict[str, str]:
    """From elements of GET /containers/json in order of number; a service's later containers count for nothing."""
    result: dict[str, str] = {}
    seen: set[str] = set()
    for one in containers:
        service = (one.get("Labels") or {}).get(SERVICE, "")
        if service and service not in seen:
            seen.add(service)
            result |= _service(variable(service), one)
    return result


def _service(prefix: str, container: ContainerRow) -> dict[str, str]:
    ports = sorted(container.get("Ports") or (), key=lambda port: (port["PrivatePort"], ":" in (port.get("IP") or "")))
    published = [port for port in ports if port.get("PublicPort")]
    if published:
        host = _reachable(str(published[0].get("IP") or ""))
        numbers = [(port["PrivatePort"], port.get("Type") or "tcp", port["PublicPort"]) for port in published]
    else:
        host = _own_address(container)
        numbers = [(port["PrivatePort"], port.get("Type") or "tcp", port["PrivatePort"]) for port in ports]
    if not host:
        return {}
    result = {f"{prefix}_HOST": host}
    first = next((number for _, protocol, number in numbers if protocol == "tcp"), None)
    if first is not None:
        result[f"{prefix}_PORT"] = str(first)
    for target, protocol, number in numbers:
        ending = "" if protocol == "tcp" else f"_{protocol.upper()}"
        result.setdefault(f"{prefix}_{target}{ending}", str(number))
    return result


def lookup(container: ContainerRow, service: str, port: int, protocol: str) -> tuple[str, int]:
    """Host and port that lead to ``port`` of one container. Raises `OperationError` when nothing does."""
    found = [one for one in container.get("Ports") or () if (one.get("Type") or "tcp") == protocol]
    for one in sorted(found, key=lambda one: ":" in (one.get("IP") or "")):
        if one["PrivatePort"] == port and one.get("PublicPort"):
            return _reachable(str(one.get("IP") or "")), int(one["PublicPort"])
    host = _own_address(container)
    if host and any(one["PrivatePort"] == port for one in found):
        return host, port
    known = ", ".join(str(number) for number in sorted({one["PrivatePort"] for one in found})) or "none"
    raise OperationError(
        f"nothing leads to {service}:{port}/{protocol}: neither published nor exposed (ports that are: {known})"
    )


def _reachable(address: str) -> str:
    return "127.0.0.1" if address in _EVERYWHERE else address


def _own_address(container: ContainerRow) -> str:
    if (container.get("HostConfig") or {}).get("NetworkMode") == "host":
        return "127.0.0.1"
    networks = (container.get("NetworkSettings") or {}).get("Networks") or {}
    return next((one["IPAddress"] for one in networks.values() if one and one.get("IPAddress")), "")


def render(variables: Mapping[str, str], form: str) -> str:
    """``shell`` (export lines), ``dotenv`` or ``json``."""
    if form == "json":
        return json.dumps(dict(variables), indent=2)
    if form == "shell":
        return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())
    return "\n".join(f"{name}={value}" for name, value in variables.items())
