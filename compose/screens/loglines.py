"""A container's output as lines to look at: stamped, without terminal escapes, with a level, filtered. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ...grammar import patterns

if TYPE_CHECKING:
    from ...grammar.patterns import Pattern

LINE_LIMIT = 16 * 1024
"""Bytes of one line that are shown; what a program writes without line ends comes in lines of this length."""

SEARCH_LIMIT = 1000
"""Characters of a search at most."""

LEVELS = ("error", "warning", "info", "debug")

_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~])"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u202a-\u202e\u2066-\u2069]")
_LEVEL = re.compile(
    r"\b(?:(?P<error>err|error|errors|fatal|crit|critical|panic|emerg|alert|exception|traceback)"
    r"|(?P<warning>warn|warning)|(?P<info>info|notice)|(?P<debug>debug|trace))\b",
    re.IGNORECASE,
)


class Line(NamedTuple):
    """``at`` is the engine's time stamp, ``source`` whose line it is."""

    at: str
    source: str
    stream: int
    text: str


def plain(text: str) -> str:
    """``text`` without terminal escapes; other control characters become visible, and so do those that turn
    the order of what follows (U+202E and its kin)."""
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    if not text.isprintable():
        text = _CONTROLS.sub(_shown, text)
    return text


def _shown(control: re.Match[str]) -> str:
    number = ord(control[0])
    return "" if control[0] == "\r" else f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def level(text: str) -> str:
    """The level that the beginning of a line names, "" for none."""
    found = _LEVEL.search(text[:200])
    return found.lastgroup or "" if found else ""


@dataclass(slots=True)
class Splitter:
    """Blocks of one container's streams, with time stamps, into lines."""

    source: str
    _partial: dict[int, bytes] = field(default_factory=dict)

    def feed(self, stream: int, block: bytes) -> list[Line]:
        *whole, rest = (self._partial.get(stream, b"") + block).split(b"\n")
        if len(rest) > LINE_LIMIT:
            whole.append(rest)
            rest = b""
        self._partial[stream] = rest
        return [self._line(stream, one) for one in whole]

    def _line(self, stream: int, raw: bytes) -> Line:
        at, _, text = raw[:LINE_LIMIT].decode("utf-8", "replace").partition(" ")
        return Line(at, self.source, stream, plain(text))


class SearchError(ValueError):
    """A search that cannot be made; its text says why."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which lines are wanted. ``pattern`` None for all; ``levels`` empty for all."""

    pattern: Pattern | None = None
    levels: frozenset[str] = frozenset()

    @property
    def is_all(self) -> bool:
        return self.pattern is None and not self.levels

    def wants(self, line: Line) -> bool:
        if self.pattern is not None and self.pattern.search(line.text) is None:
            return False
        return not self.levels or level(line.text) in self.levels


def make_filter(text: str, levels: str, *, regex: bool) -> Filter:
    """Letters of both cases are the same. Raises `SearchError` for what is no regular expression of RE2, or is too long."""
    wanted = frozenset(one for one in levels.split(",") if one in LEVELS)
    return Filter(_compiled(text, regex=regex) if text else None, wanted)


def _compiled(text: str, *, regex: bool) -> Pattern:
    if len(text) > SEARCH_LIMIT:
        raise SearchError(f"a search has at most {SEARCH_LIMIT} characters")
    try:
        return patterns.compiled(text, literal=not regex, case_sensitive=False)
    except ValueError as error:
        raise SearchError(f"no regular expression: {error}") from None
