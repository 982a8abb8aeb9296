"""``--change`` of import and commit: the few Dockerfile instructions that only alter an image's configuration. Pure.

The real Dockerfile parser lives in engine/build; this one takes single lines, without variables or continuation.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from ...grammar import durations, ports, signals
from ..errors import InvalidParameter
from ..shapes import decode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Literal

    from .bodies import Healthcheck, Process

_SHELL = ["/bin/sh", "-c"]


def apply_changes(config: Process, changes: Sequence[str]) -> Process:
    """The ``config`` member with the instructions applied in order. Raises InvalidParameter."""
    result = config.copy()
    for line in changes:
        name, _, rest = line.strip().partition(" ")
        rest = rest.strip()
        instruction = name.upper()
        if instruction not in _INSTRUCTIONS:
            raise InvalidParameter(f"{name.lower()} is not a valid change command")
        if not rest:
            raise InvalidParameter(f"{instruction} requires at least one argument")
        _INSTRUCTIONS[instruction](result, rest)
    return result


def _argv(result: Process, rest: str) -> list[str]:
    if rest.startswith("["):
        value = _list(rest)
        if value is not None:
            return value
    return [*(result.get("Shell") or _SHELL), rest]


def _list(rest: str) -> list[str] | None:
    """The strings of a JSON array; None for anything else."""
    try:
        value = decode(rest)
    except ValueError:
        return None
    words = [item for item in value if isinstance(item, str)] if isinstance(value, list) else None
    return words if words is not None and words == value else None


def _words(rest: str) -> list[str]:
    try:
        return shlex.split(rest)
    except ValueError as error:
        raise InvalidParameter(f"invalid change {rest!r}: {error}") from None


def _pairs(rest: str, instruction: str) -> dict[str, str]:
    words = _words(rest)
    if "=" not in words[0]:
        key, _, value = rest.partition(" ")
        if not value.strip():
            raise InvalidParameter(f"{instruction} must have two arguments")
        return {key: value.strip()}
    pairs = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise InvalidParameter(f"Syntax error - can't find = in {word!r}. Must be of the form: name=value")
        pairs[key] = value
    return pairs


def _cmd(result: Process, rest: str) -> None:
    result["Cmd"] = _argv(result, rest)


def _entrypoint(result: Process, rest: str) -> None:
    result["Entrypoint"] = _argv(result, rest)


def _env(result: Process, rest: str) -> None:
    env = dict(item.partition("=")[::2] for item in result.get("Env") or ())
    env.update(_pairs(rest, "ENV"))
    result["Env"] = [f"{key}={value}" for key, value in env.items()]


def _label(result: Process, rest: str) -> None:
    result["Labels"] = {**(result.get("Labels") or {}), **_pairs(rest, "LABEL")}


def _expose(result: Process, rest: str) -> None:
    exposed = dict(result.get("ExposedPorts") or {})
    for word in _words(rest):
        try:
            exposed.update({f"{port.target}/{port.protocol}": {} for port in ports.parse(word)})
        except ValueError as error:
            raise InvalidParameter(str(error)) from None
    result["ExposedPorts"] = exposed


def _volume(result: Process, rest: str) -> None:
    paths = (_list(rest) if rest.startswith("[") else None) or _words(rest)
    result["Volumes"] = {**(result.get("Volumes") or {}), **{path: {} for path in paths}}


def _workdir(result: Process, rest: str) -> None:
    base = "" if rest.startswith("/") else (result.get("WorkingDir") or "/").rstrip("/")
    result["WorkingDir"] = rest if rest.startswith("/") else f"{base}/{rest}"


def _user(result: Process, rest: str) -> None:
    result["User"] = rest


def _stop_signal(result: Process, rest: str) -> None:
    try:
        signals.parse(rest)
    except ValueError as error:
        raise InvalidParameter(str(error)) from None
    result["StopSignal"] = rest


def _on_build(result: Process, rest: str) -> None:
    result["OnBuild"] = [*(result.get("OnBuild") or ()), rest]


def _shell(result: Process, rest: str) -> None:
    if not rest.startswith("["):
        raise InvalidParameter("SHELL requires the arguments to be in JSON form")
    result["Shell"] = _argv(result, rest)


_FLAGS: Mapping[str, Literal["Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"]] = {
    "interval": "Interval",
    "timeout": "Timeout",
    "start-period": "StartPeriod",
    "start-interval": "StartInterval",
    "retries": "Retries",
}


def _healthcheck(result: Process, rest: str) -> None:
    check: Healthcheck = {}
    while match := re.match(r"--([a-z-]+)=(\S+)\s+", rest):
        if match[1] not in _FLAGS:
            raise InvalidParameter(f"unknown flag: {match[1]}")
        check[_FLAGS[match[1]]] = int(match[2]) if match[1] == "retries" else _nanoseconds(match[2])
        rest = rest[match.end() :]
    kind, _, command = rest.partition(" ")
    if kind.upper() == "NONE" and not command:
        check["Test"] = ["NONE"]
    elif kind.upper() == "CMD" and command:
        argv = _argv({}, command.strip())
        check["Test"] = ["CMD", *argv] if argv[: len(_SHELL)] != _SHELL else ["CMD-SHELL", command.strip()]
    else:
        raise InvalidParameter(f"unknown type {kind!r} in HEALTHCHECK (try CMD)")
    result["Healthcheck"] = check


def _nanoseconds(text: str) -> int:
    try:
        return durations.parse(text)
    except ValueError as error:
        raise InvalidParameter(str(error)) from None


_INSTRUCTIONS = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "LABEL": _label,
    "EXPOSE": _expose,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
    "USER": _user,
    "STOPSIGNAL": _stop_signal,
    "ONBUILD": _on_build,
    "SHELL": _shell,
    "HEALTHCHECK": _healthcheck,
}
