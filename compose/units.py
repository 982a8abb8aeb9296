"""Small grammars of Compose values: durations, byte sizes, ports, volume and device short forms, commands.

Each function takes the text a user wrote and gives a plain value or raises `ValueError` with a message for the user.
Durations are whole nanoseconds, sizes bytes.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any

from .dataclass import dataclass

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)([^\d.]+)", re.ASCII)
_MAX_DURATION = (1 << 63) - 1


def parse_duration(text: str) -> int:
    """Nanoseconds in a duration such as ``1h30m``, ``1.5s`` or ``0`` (Compose Specification, "Specifying durations")."""
    body = text[1:] if text[:1] in ("+", "-") else text
    if body == "0":
        return 0
    total = 0
    at = 0
    while at < len(body):
        part = _DURATION_PART.match(body, at)
        if part is None:
            if re.match(r"\d+\.?\d*$|\.\d+$", body[at:], re.ASCII):
                raise ValueError(f"missing unit in duration {text!r}")
            raise ValueError(f"invalid duration {text!r}")
        unit = _UNITS.get(part[2])
        if unit is None:
            raise ValueError(f"unknown unit {part[2]!r} in duration {text!r}")
        whole, _, fraction = part[1].partition(".")
        total += int(whole or 0) * unit
        if fraction:
            total += int(fraction) * unit // 10 ** len(fraction)
        at = part.end()
        if total > _MAX_DURATION:
            raise ValueError(f"invalid duration {text!r}")
    if not body:
        raise ValueError(f"invalid duration {text!r}")
    return -total if text.startswith("-") else total


def format_duration(nanoseconds: int) -> str:
    """The canonical form, as ``1m30s`` or ``1.5ms``."""
    if nanoseconds == 0:
        return "0s"
    sign = "-" if nanoseconds < 0 else ""
    value = abs(nanoseconds)
    if value < 1_000_000_000:
        for unit, size in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
            if value < size * 1_000:
                return f"{sign}{_decimal(value, size)}{unit}"
    minutes, rest = divmod(value, 60_000_000_000)
    seconds = f"{_decimal(rest, 1_000_000_000)}s"
    if not minutes:
        return f"{sign}{seconds}"
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours}h{minutes}m{seconds}" if hours else f"{sign}{minutes}m{seconds}"


def _decimal(value: int, size: int) -> str:
    whole, rest = divmod(value, size)
    if not rest:
        return str(whole)
    digits = len(str(size)) - 1
    return f"{whole}.{rest:0{digits}d}".rstrip("0")


_MULTIPLES = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}


def parse_bytes(text: str) -> int:
    """Bytes in a size such as ``512m``, ``1.5GiB`` or ``100`` (units are powers of 1024)."""
    last = max((index for index, char in enumerate(text) if char in "0123456789. "), default=-1)
    if last < 0:
        raise ValueError(f"invalid size: '{text}'")
    number = text[:last] if text[last] == " " else text[: last + 1]
    suffix = text[last + 1 :].lower()
    if not re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", number, re.ASCII):
        raise ValueError(f"invalid size: '{text}'")
    size = float(number)
    if size < 0 or size > 1e300:
        raise ValueError(f"invalid size: '{text}'")
    if not suffix or suffix == "b":
        return int(size)
    if suffix[0] not in _MULTIPLES or suffix[1:] not in ("", "b", "ib"):
        hint = f"; write {number.strip()}{suffix[0]}" if suffix[1:] == "i" and suffix[0] in _MULTIPLES else ""
        raise ValueError(f"invalid suffix: '{suffix}'{hint}")
    return int(size * _MULTIPLES[suffix[0]])


@dataclass(frozen=True, slots=True)
class Port:
    """One published or exposed container port; ``published`` is "", a number, or a range to choose from."""

    target: int
    published: str = ""
    host_ip: str = ""
    protocol: str = "tcp"


def parse_ports(text: str) -> list[Port]:
    """The ports of a short form ``[[HOST:]PUBLISHED:]TARGET[/PROTOCOL]``, where both may be ranges."""
    parts = text.split(":")
    target = parts[-1]
    published = parts[-2] if len(parts) > 1 else ""
    host = ":".join(parts[:-2])
    protocol = "tcp"
    if "/" in target:
        pieces = target.split("/")
        target, protocol = pieces[0], pieces[1] or "tcp"
    if host.startswith("["):
        if not host.endswith("]"):
            raise ValueError(f"invalid IP address {host}")
        host = host[1:-1]
    if host:
        try:
            if "%" in host:
                raise ValueError
            import ipaddress  # here: most ports name no address

            ipaddress.ip_address(host)
        except ValueError:
            raise ValueError(f"invalid IP address: {host}") from None
    if not target:
        raise ValueError(f"no port specified: {text}<empty>")
    try:
        start, end = _port_range(target)
    except ValueError:
        raise ValueError(f"invalid containerPort: {target}") from None
    host_start = host_end = 0
    if published:
        try:
            host_start, host_end = _port_range(published)
        except ValueError:
            raise ValueError(f"invalid hostPort: {published}") from None
        if end - start != host_end - host_start and end != start:
            raise ValueError(f"invalid ranges specified for container and host Ports: {target} and {published}")
    if protocol.lower() not in ("tcp", "udp", "sctp"):
        raise ValueError(f"invalid proto: {protocol}")
    ports = []
    for offset in range(end - start + 1):
        chosen = str(host_start + offset) if published else ""
        if start == end and host_start != host_end:
            chosen = f"{chosen}-{host_end}"
        ports.append(Port(start + offset, chosen, host, protocol.lower()))
    return sorted(ports, key=lambda port: f"{port.target}/{port.protocol}")


def _port_range(text: str) -> tuple[int, int]:
    numbers = text.split("-")
    if not all(re.fullmatch(r"\d{1,5}", number, re.ASCII) and int(number) < 65536 for number in numbers[:2]):
        raise ValueError(text)
    start = int(numbers[0])
    end = int(numbers[1]) if len(numbers) > 1 else start
    if end < start:
        raise ValueError(text)
    return start, end


_PROPAGATIONS = ("rprivate", "private", "rshared", "shared", "rslave", "slave")


def parse_volume(spec: str) -> dict[str, Any]:
    """The long form of a mount's short form ``[SOURCE:]TARGET[:OPTIONS]``; drive letters are not separators."""
    if not spec:
        raise ValueError("invalid empty volume spec")
    if len(spec.encode()) <= 2:
        return {"type": "volume", "target": clean_target(spec)}
    fields: list[str] = []
    buffer = ""
    for char in spec:
        if char == ":" and not (len(buffer) == 1 and buffer.isalpha()):
            fields.append(buffer)
            buffer = ""
        else:
            buffer += char
    fields.append(buffer)
    if not all(fields):
        raise ValueError(f"invalid spec: {spec}: empty section between colons")
    if len(fields) > 3:
        raise ValueError(f"invalid spec: {spec}: too many colons")
    source = fields[0] if len(fields) > 1 else ""
    volume: dict[str, Any] = {"type": "volume"}
    if source:
        volume["source"] = source
    volume["target"] = clean_target(fields[1] if len(fields) > 1 else fields[0])
    bind: dict[str, Any] = {}
    options: dict[str, Any] | None = None
    for option in fields[2].split(",") if len(fields) == 3 else ():
        if option in ("ro", "rw"):
            volume["read_only"] = option == "ro"
        elif option == "nocopy":
            options = {"nocopy": True}
        elif option in _PROPAGATIONS:
            bind["propagation"] = option
        elif option in ("z", "Z"):
            bind["selinux"] = option
    if not volume.get("read_only"):
        volume.pop("read_only", None)
    if is_file_path(source):
        volume["type"] = "bind"
        volume["bind"] = {**bind, "create_host_path": True}
        if options:
            volume["volume"] = options
    else:
        volume["volume"] = options or {}
        if bind:
            volume["bind"] = bind
    return volume


def clean_target(target: str) -> str:
    """A container path without ``.``, ``..`` and doubled slashes."""
    if not target:
        return ""
    cleaned = posixpath.normpath(target)
    return cleaned[1:] if cleaned.startswith("//") else cleaned


def is_file_path(source: str) -> bool:
    """Whether a mount source names a path on the host rather than a volume."""
    if not source:
        return False
    return source[0] in "./~" or source.startswith("\\\\") or (source[0].isalpha() and source[1:2] == ":")


def parse_device(text: str) -> dict[str, str]:
    """The long form of a device's ``SOURCE[:TARGET[:PERMISSIONS]]``."""
    parts = text.split(":")
    if len(parts) > 3:
        raise ValueError(f"confusing device mapping, please use long syntax: {text}")
    return {
        "source": parts[0],
        "target": (parts[1] if len(parts) > 1 else "") or parts[0],
        "permissions": parts[2] if len(parts) > 2 else "rwm",
    }


def split_command(text: str) -> list[str]:
    """The words of a command line: quotes, backslashes and backquotes as in a shell, without expansion of anything.

    What follows an unquoted ``;``, ``&``, ``|``, ``<`` or ``>`` is dropped, as Docker Compose does.
    """
    words: list[str] = []
    buffer = ""
    escaped = single = double = back = dollar = got = False
    for char in text:
        if escaped:
            escaped = False
            buffer += char
            got = True
        elif char == "\\":
            if single:
                buffer += char
            else:
                escaped = True
        elif char in " \t\r\n":
            if single or double or back or dollar:
                buffer += char
            elif got:
                words.append(buffer)
                buffer = ""
                got = False
        elif char == '"' and not (single or dollar):
            got = got or double
            double = not double
        elif char == "'" and not (double or dollar):
            got = got or single
            single = not single
        elif char == "(" and not (single or double or back):
            if dollar or not buffer.endswith("$"):
                raise ValueError("invalid command line string")
            dollar = True
            buffer += char
        elif char in ";&|<>" and not (single or double or back or dollar):
            if char == ">" and buffer[:1] in tuple("0123456789"):
                got = False
            break
        else:
            if char == "`" and not (single or double or dollar):
                back = not back
            elif char == ")" and not (single or double or back):
                dollar = not dollar
            got = True
            buffer += char
    if got:
        words.append(buffer)
    if escaped or single or double or back or dollar:
        raise ValueError("invalid command line string")
    return words
