"""Ports as users write them: ``[[HOST:]PUBLISHED:]TARGET[/PROTOCOL]`` with ranges, and ``80/tcp`` alone."""

from __future__ import annotations

import re
from typing import NamedTuple

PROTOCOLS = ("tcp", "udp", "sctp")
_NUMBER = re.compile(r"[0-9]{1,5}")


class Port(NamedTuple):
    """One published or exposed container port; ``published`` is "", a number, or a range to choose from."""

    target: int
    published: str = ""
    host_ip: str = ""
    protocol: str = "tcp"


def parse(text: str) -> list[Port]:
    """The ports of a short form, where both sides may be ranges. Raises ValueError."""
    host, published, target = _split(text)
    protocol = "tcp"
    if "/" in target:
        pieces = target.split("/")
        target, protocol = pieces[0], pieces[1] or "tcp"
    if host:
        _check_address(host)
    if not target:
        raise ValueError(f"no port specified: {text}<empty>")
    try:
        start, end = parse_range(target)
    except ValueError:
        raise ValueError(f"invalid containerPort: {target}") from None
    host_start = host_end = 0
    if published:
        try:
            host_start, host_end = parse_range(published)
        except ValueError:
            raise ValueError(f"invalid hostPort: {published}") from None
        if end - start != host_end - host_start and end != start:
            raise ValueError(f"invalid ranges specified for container and host Ports: {target} and {published}")
    if protocol.lower() not in PROTOCOLS:
        raise ValueError(f"invalid proto: {protocol}")
    ports = []
    for offset in range(end - start + 1):
        chosen = str(host_start + offset) if published else ""
        if start == end and host_start != host_end:
            chosen = f"{chosen}-{host_end}"
        ports.append(Port(start + offset, chosen, host, protocol.lower()))
    return sorted(ports, key=lambda port: f"{port.target}/{port.protocol}")


def _split(text: str) -> tuple[str, str, str]:
    parts = text.split(":")
    host = ":".join(parts[:-2])
    if host.startswith("["):
        if not host.endswith("]"):
            raise ValueError(f"invalid IP address {host}")
        host = host[1:-1]
    return host, parts[-2] if len(parts) > 1 else "", parts[-1]


def _check_address(host: str) -> None:
    import ipaddress  # here: most ports name no address

    try:
        if "%" in host:
            raise ValueError
        ipaddress.ip_address(host)
    except ValueError:
        raise ValueError(f"invalid IP address: {host}") from None


def parse_range(text: str) -> tuple[int, int]:
    """(first, last) of ``80`` or ``8000-8010``. Raises ValueError."""
    numbers = text.split("-")
    if not all(_NUMBER.fullmatch(number) and int(number) < 65536 for number in numbers[:2]):
        raise ValueError(f"invalid port range: {text}")
    start = int(numbers[0])
    end = int(numbers[1]) if len(numbers) > 1 else start
    if end < start:
        raise ValueError(f"invalid port range: {text}")
    return start, end


def parse_exposed(text: str) -> tuple[int, int, str]:
    """(first, last, protocol) of ``80``, ``80/tcp`` or ``8000-8010/udp``. Raises ValueError."""
    numbers, _, protocol = text.partition("/")
    protocol = (protocol or "tcp").lower()
    if protocol not in PROTOCOLS:
        raise ValueError(f"invalid protocol: {protocol}")
    try:
        low, high = parse_range(numbers) if numbers.count("-") < 2 else (0, 0)
    except ValueError:
        raise ValueError(f"invalid port specification: {text!r}") from None
    if not low:
        raise ValueError(f"invalid port specification: {text!r}")
    return low, high, protocol
