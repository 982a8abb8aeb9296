"""Values of single flags as the docker CLI reads them: numbers, sizes, durations, limits, addresses.

Each takes the text of one flag and gives the API's value, or raises ValueError with docker's words. What several flags
say together is decided in `request`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .....grammar import restart, sizes, ulimits
from .....grammar.numerals import natural

if TYPE_CHECKING:
    from ....convert import bodies


def whole(text: str) -> int:
    """A whole number, signed."""
    try:
        return int(text, 0)
    except ValueError:
        raise ValueError(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def unsigned(text: str) -> int:
    try:
        number = int(text, 0)
        if number < 0:
            raise ValueError
    except ValueError:
        raise ValueError(f'strconv.ParseUint: parsing "{text}": invalid syntax') from None
    return number


def swap_size(text: str) -> int:
    """Bytes, or -1 for no limit."""
    return -1 if text == "-1" else sizes.parse(text)


def nano_cpus(text: str) -> int:
    """Billionths of a processor from a decimal or a fraction."""
    from fractions import Fraction

    try:
        value = Fraction(text) * 10**9
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"failed to parse {text} as a rational number") from None
    if value.denominator != 1:
        raise ValueError("value is too precise")
    return int(value)


def ulimit(text: str) -> bodies.Ulimit:
    """``NAME=SOFT[:HARD]``."""
    limit = ulimits.parse(text)
    return {"Name": limit.name, "Hard": limit.hard, "Soft": limit.soft}


def address(text: str) -> str:
    import ipaddress

    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        raise ValueError(f"IP address is not correctly formatted: {text.strip()}") from None


def extra_host(text: str) -> str:
    """``HOST:IP`` or ``HOST=IP`` in the API's form, ``HOST:IP``."""
    import ipaddress

    name, separator, value = text.partition("=") if "=" in text else text.partition(":")
    if not separator or not name:
        raise ValueError(f'bad format for add-host: "{text}"')
    if value.startswith("[") and value.endswith("]"):
        value = value[1:-1]
    if value != "host-gateway":
        try:
            ipaddress.ip_address(value)
        except ValueError:
            raise ValueError(f'invalid IP address in add-host: "{value}"') from None
    return f"{name}:{value}"


def device_rate(text: str) -> bodies.ThrottleDevice:
    """``PATH:BYTES``."""
    path, rate = _device_and(text)
    try:
        return {"Path": path, "Rate": sizes.parse(rate)}
    except ValueError:
        raise ValueError(
            f"invalid rate for device: {text}. The correct format is <device-path>:<number>[<unit>]."
            " Number must be a positive integer. Unit is optional and can be kb, mb, or gb"
        ) from None


def device_count(text: str) -> bodies.ThrottleDevice:
    """``PATH:OPERATIONS``."""
    path, rate = _device_and(text)
    number = natural(rate)
    if number is None:
        raise ValueError(
            f"invalid rate for device: {text}. The correct format is <device-path>:<number>."
            " Number must be a positive integer"
        )
    return {"Path": path, "Rate": number}


def device_weight(text: str) -> bodies.WeightDevice:
    """``PATH:WEIGHT``."""
    path, weight = _device_and(text)
    number = natural(weight)
    if number is None or (number and not 10 <= number <= 1000):
        raise ValueError(f"invalid weight for device: {text}")
    return {"Path": path, "Weight": number}


def _device_and(text: str) -> tuple[str, str]:
    path, colon, rest = text.partition(":")
    if not colon or not path:
        raise ValueError(f"bad format: {text}")
    if not path.startswith("/dev/"):
        raise ValueError(f"bad format for device path: {text}")
    return path, rest


def device_rule(text: str) -> str:
    if not re.fullmatch(r"[acb] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}", text):
        raise ValueError(f"invalid device cgroup format '{text}'")
    return text


def variable(text: str) -> str:
    if text.startswith("=") or not text:
        raise ValueError(f"invalid environment variable: {text}")
    return text


def standard_stream(text: str) -> str:
    if text.lower() not in ("stdin", "stdout", "stderr"):
        raise ValueError("valid streams are STDIN, STDOUT and STDERR")
    return text.lower()


def restart_policy(text: str) -> bodies.RestartPolicy:
    """``NAME[:RETRIES]``; raises ValueError."""
    name, retries = restart.parse(text)
    return {"Name": name, "MaximumRetryCount": retries}


def key_values(items: list[str]) -> dict[str, str]:
    """``KEY=VALUE`` items as a mapping; a bare key has the value ``""``."""
    return {key: value for key, _, value in (item.partition("=") for item in items)}


def key_value_file(path: str, *, from_environment: bool) -> list[str]:
    """The lines of an --env-file or --label-file. Bare names take this process's value, or go, when asked. Raises ValueError."""
    import os

    from .... import files

    lines: list[str] = []
    try:
        content = files.read(path).decode("utf-8-sig").split("\n")
    except OSError as error:
        raise ValueError(f"open {path}: {str(error.strerror).lower()}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: invalid utf8 bytes") from None
    for line in content:
        text = line.lstrip().removesuffix("\r")
        if not text or text.startswith("#"):
            continue
        name, equals, _ = text.partition("=")
        if not name.strip():
            raise ValueError(f"no variable name on line '{text}'")
        if re.search(r"\s", name) and equals:
            raise ValueError(f"variable '{name}' contains whitespaces")
        if equals or not from_environment:
            lines.append(text)
        elif name.strip() in os.environ:
            lines.append(f"{name.strip()}={os.environ[name.strip()]}")
    return lines
