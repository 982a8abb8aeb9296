"""``--change`` of import and commit: the few Dockerfile instructions that only alter an image's configuration. Pure.

The real Dockerfile parser lives in engine/build; this one takes single lines without continuation. Of variables it knows the
plain forms, of what ``ENV`` has set before.
"""

from __future__ import annotations

import posixpath
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
_BARE = ("CMD", "ENTRYPOINT")  # may stand without arguments
_EXPANDED = ("ENV", "LABEL", "EXPOSE", "VOLUME", "WORKDIR", "USER", "STOPSIGNAL")
_VARIABLE = re.compile(r"\\.|'[^']*'|\$(?:(\w+)|\{(\w+)(?:(:[-+])([^}]*))?\})")
_NO_TRIGGERS = {"ONBUILD": "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"} | {
    name: f"{name} isn't allowed as an ONBUILD trigger" for name in ("FROM", "MAINTAINER")
}


def apply_changes(config: Process, changes: Sequence[str]) -> Process:
    """The ``config`` member with the instructions applied in order. Raises InvalidParameter."""
    if changes and not any(line.strip() for line in changes):
        raise InvalidParameter("file with no instructions")
    result = config.copy()
    given = set()
    for line in changes:
        name, _, rest = line.strip().partition(" ")
        rest = rest.strip()
        instruction = name.upper()
        if instruction not in _INSTRUCTIONS:
            raise InvalidParameter(f"{name.lower()} is not a valid change command")
        if not rest and instruction not in _BARE:
            raise InvalidParameter(f"{instruction} requires at least one argument")
        if instruction in _EXPANDED:
            rest = _expanded(rest, result.get("Env") or ())
        _INSTRUCTIONS[instruction](result, rest)
        given.add(instruction)
        if instruction == "ENTRYPOINT" and "CMD" not in given:
            result.pop("Cmd", None)  # it was meant for the entrypoint before
    return result


def _expanded(rest: str, environment: Sequence[str]) -> str:
    known = dict(item.partition("=")[::2] for item in environment)

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name is None:
            return found[0]
        held = known.get(name, "")
        if found[3] == ":-":
            return held or found[4]
        return found[4] if found[3] and held else "" if found[3] else held

    return _VARIABLE.sub(value, rest)


def _argv(result: Process, rest: str) -> list[str]:
    if rest.startswith("["):
        value = _list(rest)
        if value is not None:
            return value
    return [*(result.get("Shell") or _SHELL), *([rest] if rest else [])]


def _list(rest: str) -> list[str] | None:
    """The strings of a JSON array; None for anything else."""
    try:
        value = decode(rest)
    except ValueError:
        return None
    if not isinstance(value, list):
        return None
    words = [item for item in value if isinstance(item, str)]
    if words != value:
        raise InvalidParameter("when using JSON array syntax, arrays must be comprised of strings only")
    return words


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
    result["Entrypoint"] = _argv(result, rest) if rest else []


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
    paths = _list(rest) if rest.startswith("[") else None
    if paths is None:
        paths = _words(rest)
    if not paths:
        raise InvalidParameter("VOLUME requires at least one argument")
    result["Volumes"] = {**(result.get("Volumes") or {}), **{path: {} for path in paths}}


def _workdir(result: Process, rest: str) -> None:
    result["WorkingDir"] = posixpath.normpath(posixpath.join("/", result.get("WorkingDir") or "", rest))


def _user(result: Process, rest: str) -> None:
    result["User"] = rest


def _stop_signal(result: Process, rest: str) -> None:
    try:
        signals.parse(rest)
    except ValueError as error:
        raise InvalidParameter(str(error)) from None
    result["StopSignal"] = rest


def _on_build(result: Process, rest: str) -> None:
    trigger = rest.partition(" ")[0].upper()
    if trigger in _NO_TRIGGERS:
        raise InvalidParameter(_NO_TRIGGERS[trigger])
    result["OnBuild"] = [*(result.get("OnBuild") or ()), rest]


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
    "HEALTHCHECK": _healthcheck,
}
