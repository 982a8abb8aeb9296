"""Health checks that the engine makes itself, without a program of the image: their form in ``Healthcheck.Test``. Pure.

    ["HTTP", "port=8080", "path=/ready", "status=200-299"]     a request to a port of the container
    ["TCP", "port=5432"]                                        a connection to one
    ["LOG", "line=ready to accept"]  or  ["LOG", "regex=^ready"] a line of the container's output
    ["NOTIFY"]                                                  READY=1 in sd_notify's protocol

Docker's Engine API has ``CMD``, ``CMD-SHELL`` and ``NONE``; another engine refuses these words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ....grammar import patterns
from ....grammar.numerals import natural
from ...errors import InvalidParameter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ....grammar.patterns import Pattern
    from .bodies import Config

DEFAULT_STATUSES = ((200, 399),)
MAX_WORD = 4096
MAX_HEADERS = 32


@dataclass(frozen=True, slots=True)
class Probing:
    """What a check of the engine's own looks at; each kind is one."""


@dataclass(frozen=True, slots=True)
class HttpProbe(Probing):
    """``GET path``; ready when the status is in one of ``statuses`` (first and last). Certificates are not verified."""

    port: int
    path: str = "/"
    statuses: tuple[tuple[int, int], ...] = DEFAULT_STATUSES
    tls: bool = False
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TcpProbe(Probing):
    port: int


@dataclass(frozen=True, slots=True)
class LogProbe(Probing):
    """Exactly one of ``line`` (a part of a line) and ``regex`` (RE2's syntax) is not empty."""

    line: str = ""
    regex: str = ""

    def matcher(self) -> Callable[[bytes], bool]:
        """Whether a line of output is the one."""
        if self.line:
            wanted = self.line.encode()
            return lambda data: wanted in data
        pattern = _compile(self.regex)
        return lambda data: pattern.search(data) is not None


@dataclass(frozen=True, slots=True)
class NotifyProbe(Probing):
    """The program sends READY=1 to the socket that NOTIFY_SOCKET names."""


def is_own(test: Sequence[str]) -> bool:
    """Whether a ``Healthcheck.Test`` is a probe of the engine's."""
    return len(test) > 0 and test[0] in _READERS


def parse(test: Sequence[str]) -> Probing:
    """The probe of a ``Healthcheck.Test`` that `is_own`. Raises InvalidParameter."""
    kind = test[0]
    values: dict[str, list[str]] = {}
    for word in test[1:]:
        name, separator, value = word.partition("=")
        if not separator or len(word) > MAX_WORD:
            raise InvalidParameter(f"Healthcheck {kind}: want name=value, not {word[:80]!r}")
        values.setdefault(name, []).append(value)
    known, read = _READERS[kind]
    for name, given in values.items():
        if name not in known:
            raise InvalidParameter(
                f"Healthcheck {kind}: unknown option {name!r} (expected {', '.join(known) or 'none'})"
            )
        if len(given) > 1 and name != "header":
            raise InvalidParameter(f"Healthcheck {kind}: {name} is given more than once")
    return read(values)


def of(config: Config) -> Probing | None:
    """The engine's probe that a container's Config asks for, if it does."""
    test = (config["Healthcheck"] or {}).get("Test")
    return parse(test) if test and is_own(test) else None


def notify_socket(container_id: str) -> str:
    """The abstract address, as sd_notify writes it, where a container with a `NotifyProbe` finds the engine. The id in it
    keeps containers that share a network namespace apart."""
    return f"@pycompose/notify/{container_id}"


def variables(probe: Probing | None, container_id: str) -> list[str]:
    """The environment that a container's check needs."""
    return [f"NOTIFY_SOCKET={notify_socket(container_id)}"] if isinstance(probe, NotifyProbe) else []


def _http(values: Mapping[str, list[str]]) -> HttpProbe:
    path = _one(values, "path") or "/"
    if not path.startswith("/") or any(ord(char) <= 0x20 or ord(char) > 0x7E for char in path):
        raise InvalidParameter(f"Healthcheck HTTP: path must start with / and be ASCII without blanks, not {path!r}")
    scheme = _one(values, "scheme") or "http"
    if scheme not in ("http", "https"):
        raise InvalidParameter(f"Healthcheck HTTP: scheme must be http or https, not {scheme!r}")
    headers = [_header(text) for text in values.get("header", ())]
    if len(headers) > MAX_HEADERS:
        raise InvalidParameter(f"Healthcheck HTTP: more than {MAX_HEADERS} headers")
    return HttpProbe(_port("HTTP", values), path, statuses(_one(values, "status")), scheme == "https", tuple(headers))


def _header(text: str) -> tuple[str, str]:
    name, separator, value = text.partition(":")
    token = name.replace("-", "").replace("_", "")
    if not separator or not (token.isascii() and token.isalnum()) or not value.isascii() or not value.isprintable():
        raise InvalidParameter(f"Healthcheck HTTP: invalid header {text!r}")
    return name, value.strip()


def statuses(text: str) -> tuple[tuple[int, int], ...]:
    """``200``, ``200-299`` or several of them with commas; nothing is `DEFAULT_STATUSES`."""
    if not text:
        return DEFAULT_STATUSES
    found: list[tuple[int, int]] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        ends = (first, last if dash else first)
        if not all(natural(end) in range(100, 600) for end in ends) or ends[0] > ends[1]:
            raise InvalidParameter(f"Healthcheck HTTP: status must be 100 to 599 or a range of them, not {part!r}")
        found.append((int(ends[0]), int(ends[1])))
    return tuple(found)


def _tcp(values: Mapping[str, list[str]]) -> TcpProbe:
    return TcpProbe(_port("TCP", values))


def _log(values: Mapping[str, list[str]]) -> LogProbe:
    line, regex = _one(values, "line"), _one(values, "regex")
    if bool(line) == bool(regex):
        raise InvalidParameter("Healthcheck LOG: want either line or regex")
    if regex:
        _compile(regex)
    return LogProbe(line, regex)


def _notify(values: Mapping[str, list[str]]) -> NotifyProbe:
    return NotifyProbe()


def _one(values: Mapping[str, list[str]], name: str) -> str:
    return values.get(name, [""])[0]


def _port(kind: str, values: Mapping[str, list[str]]) -> int:
    text = _one(values, "port")
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) < 65536):
        raise InvalidParameter(f"Healthcheck {kind}: port must be 1 to 65535, not {text!r}")
    return int(text)


def _compile(pattern: str) -> Pattern:
    try:
        return patterns.compiled(pattern)
    except ValueError as error:
        raise InvalidParameter(f"Healthcheck LOG: invalid regex: {error}") from None


_READERS: Mapping[str, tuple[tuple[str, ...], Callable[[Mapping[str, list[str]]], Probing]]] = {
    "HTTP": (("port", "path", "status", "scheme", "header"), _http),
    "TCP": (("port",), _tcp),
    "LOG": (("line", "regex"), _log),
    "NOTIFY": ((), _notify),
}
