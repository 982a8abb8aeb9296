"""Legacy links on the default bridge: names in /etc/hosts and variables in the environment, as before networks had DNS.

On user-defined networks links are aliases in the embedded DNS, which engine/networks does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import InvalidParameter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..life.container import Container
    from ..life.service import Containers
    from .record import ContainerRecord

_IGNORED = ("PATH", "HOME")


def linked(containers: Containers, record: ContainerRecord) -> Iterator[tuple[str, Container, str]]:
    """(alias, container, its address on the default bridge) of each legacy link. Raises InvalidParameter, NotFound."""
    if record.spec.network.word not in ("default", "bridge"):
        return
    for link in record.spec.links:
        other = containers.get(link.target)
        alias = link.alias or link.target.removeprefix("/")
        if not other.state.active:
            raise InvalidParameter(f"Cannot link to a non running container: /{other.name} AS /{record.name}/{alias}")
        own = [one for one in containers.networks.endpoints(other.id) if one.network_name == "bridge"]
        if not own:
            raise InvalidParameter(f"Cannot link to /{other.name}, as it does not belong to the default network")
        yield alias, other, own[0].ipv4_address


def hosts(containers: Containers, record: ContainerRecord) -> dict[str, list[str]]:
    """What the links are called in /etc/hosts: container id -> names."""
    found: dict[str, list[str]] = {}
    for alias, other, _ in linked(containers, record):
        names = found.setdefault(other.id, [])
        names += [name for name in (alias, other.record.spec.hostname, other.name) if name not in names]
    return found


def variables(containers: Containers, record: ContainerRecord) -> list[str]:
    """The environment that tells of links: DB_PORT=tcp://…, DB_NAME=/app/db, DB_ENV_…"""
    found = []
    for alias, other, address in linked(containers, record):
        prefix = alias.upper().replace("-", "_")
        ports = [port.partition("/") for port in other.record.spec.exposed if "-" not in port]
        for index, (number, _, protocol) in enumerate(sorted(ports, key=lambda port: (port[2], int(port[0])))):
            url = f"{protocol}://{address}:{number}"
            if index == 0:
                found.append(f"{prefix}_PORT={url}")
            base = f"{prefix}_PORT_{number}_{protocol.upper()}"
            found += [f"{base}={url}", f"{base}_ADDR={address}", f"{base}_PORT={number}", f"{base}_PROTO={protocol}"]
        found.append(f"{prefix}_NAME=/{record.name}/{alias}")
        for entry in other.record.spec.env:
            name, given, value = entry.partition("=")
            if given and name not in _IGNORED:
                found.append(f"{prefix}_ENV_{name}={value}")
    return found
