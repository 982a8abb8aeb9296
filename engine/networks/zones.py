"""Names: what zone.json (one per network) and resolver.json (one per container) say. Pure, except for ``write``.

The engine is their one writer, always temp + rename; every shim on the network reads them again when they change.

    zone.json      {"v": 1, "network": id, "name": name, "names": {"db": ["172.18.0.2"]}, "reverse": {"172.18.0.2": "proj-db-1.net"}}
    resolver.json  {"v": 1, "networks": [zone paths], "names": {private names}, "servers": [], "search": [], "options": []}

Names are in lower case. A name several containers share (a service) has several addresses, in order of arrival.
"""

from __future__ import annotations

import functools
import json
import os
import re
import threading
from typing import TYPE_CHECKING

from .. import documents
from ..runtime import dnszone

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from ..runtime.wire import ResolverDocument, ZoneDocument
    from .resolvconf import ResolvConf
    from .types import ContainerRef, Endpoint, Network

_FRESH = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
_FULL_ID = re.compile(r"[0-9a-f]{64}")
HOST_NAMES = ("host.docker.internal", "host.containers.internal")


def dns_names(container: ContainerRef, aliases: Iterable[str]) -> tuple[str, ...]:
    """The names of a container on one network, in Docker's order and each once: its name, the aliases, the short id, the
    hostname."""
    names = [container.name, *aliases, container.id[:12], container.hostname]
    return tuple(dict.fromkeys(name for name in names if name))


def addresses(endpoint: Endpoint) -> list[str]:
    return [address for address in (endpoint.ipv4_address, endpoint.ipv6_address) if address]


@functools.lru_cache(maxsize=4096)
def _forms(dns_names: tuple[str, ...], network: str) -> tuple[str, ...]:
    """Under what a container is found: each of its names alone and with the network's. Remembered, since the whole zone is made
    anew for everyone who comes or goes."""
    return tuple(form for name in dns_names for form in (name.lower(), f"{name}.{network}".lower()))


def zone(network: Network, endpoints: Sequence[Endpoint]) -> ZoneDocument:
    """The content of a network's zone.json; ``endpoints`` in order of arrival."""
    names: dict[str, list[str]] = {}
    reverse: dict[str, str] = {}
    for endpoint in endpoints:
        own = addresses(endpoint)
        for form in _forms(endpoint.dns_names, network.name):
            # Nearly every name is one container's: its list is the container's own, and a new one where it is shared.
            known = names.setdefault(form, own)
            if known is not own:
                names[form] = [*known, *(address for address in own if address not in known)]
        for address in own:
            reverse[address] = f"{endpoint.container.name}.{network.name}".lower()
    return {"network": network.id, "name": network.name, "names": names, "reverse": reverse}


def link_names(links: Iterable[str], zones: Iterable[Mapping[str, Sequence[str]]]) -> dict[str, list[str]]:
    """Private names from links ("container:alias" or "container", by name or id), as far as the containers have addresses now."""
    result: dict[str, list[str]] = {}
    tables = tuple(zones)
    for link in links:
        target, _, alias = link.rpartition(":")
        target = target or alias
        target = target.removeprefix("/").lower()
        if _FULL_ID.fullmatch(target):
            target = target[:12]  # zones know ids in their short form
        found = [address for table in tables for address in table.get(target, ())]
        if found:
            result[alias.lower()] = found
    return result


def resolver(zone_paths: Sequence[Path], names: Mapping[str, Sequence[str]], upstream: ResolvConf) -> ResolverDocument:
    """The content of a container's resolver.json."""
    return {
        "networks": [str(path) for path in zone_paths],
        "names": {name: list(found) for name, found in names.items()},
        "servers": list(upstream.servers),
        "search": list(upstream.search),
        "options": list(upstream.options),
    }


def write(path: Path, content: Mapping[str, object]) -> None:
    """Write a document so that readers see the old one or the new one. No fsync: /run does not survive a power cut.

    One that says the same already is left alone: an engine that starts on a full disk has nothing to write.
    """
    data = json.dumps(documents.stamped(content, dnszone.VERSION), separators=(",", ":")).encode()
    if _holds(path, data):
        return
    temporary = path.with_name(f".{path.name}.{threading.get_native_id()}")
    try:
        fd = os.open(temporary, _FRESH, 0o644)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        fd = os.open(temporary, _FRESH, 0o644)
    try:
        with open(fd, "wb") as file:  # buffered: all of it is written, or OSError says why not
            file.write(data)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _holds(path: Path, data: bytes) -> bool:
    try:
        # A look at the size spares reading what has grown or shrunk.
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except FileNotFoundError:
        return False
