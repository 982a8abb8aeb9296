"""Which paths a list of patterns leaves out: ``.dockerignore`` with ``**`` and negation, as moby matches them.

Patterns are relative to the context, ``**`` spans directories, ``!`` takes back, the last match decides, and a match of a
directory covers what is below it. ``[!a]`` is one of ``!`` and ``a``: only ``^`` negates a class, as in Go.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, NamedTuple, Protocol

from .wildcards import Automaton, Token, directories, literal, many, nothing, one

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_EVERYTHING = ("*", "**", "**/*")
SPACES = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
"""What Go trims as white space."""
PATTERN = 4096  # characters of one: no path is longer
PATTERNS = 10_000  # of a list: each path is compared with every one
_STARS = 2  # that a regular expression may have: each more multiplies its time by the path's length


class PatternError(ValueError):
    """A pattern that means nothing; the message is the one users see."""


class Matcher(Protocol):
    """What tells whether a whole path matches: a regular expression, or an automaton where that could take years."""

    def match(self, path: str, /) -> object: ...


class _Pattern(NamedTuple):
    matcher: Matcher
    negated: bool
    # A negated pattern's directories, to tell whether something below an ignored directory may come back.
    parts: tuple[str, ...]


class Verdict(NamedTuple):
    """Which patterns matched a directory: what lies below inherits it. See Ignore.check."""

    ignored: bool
    matches: tuple[bool, ...]


class Ignore:
    """An ordered list of patterns; the last that matches a path, or a directory above it, decides."""

    def __init__(self, patterns: Iterable[str]) -> None:
        wanted = [pattern for pattern in patterns if pattern.strip(SPACES)]
        if len(wanted) > PATTERNS:
            raise PatternError(f"more than {PATTERNS} patterns")
        self._patterns = tuple(_compile(pattern) for pattern in wanted)
        self.negates = any(pattern.negated for pattern in self._patterns)
        self.ignores_all = any(pattern in _EVERYTHING for pattern in map(_clean, wanted))

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def check(self, path: str, parent: Verdict | None = None) -> Verdict:
        """Look at one path of a walk. ``path`` is relative with slashes; ``parent`` the verdict on its directory."""
        ignored = False
        matches = []
        inherited = parent.matches if parent else (False,) * len(self._patterns)
        for pattern, above in zip(self._patterns, inherited, strict=True):
            match = above or (pattern.negated == ignored and bool(pattern.matcher.match(path)))
            matches.append(match)
            if match:
                ignored = not pattern.negated
        return Verdict(ignored, tuple(matches))

    def ignores(self, path: str) -> bool:
        """One path on its own; the directories above it are considered."""
        verdict: Verdict | None = None
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            verdict = self.check("/".join(parts[:depth]), verdict)
        return verdict is not None and verdict.ignored

    def may_return(self, directory: str) -> bool:
        """Whether something below an ignored directory could be taken back in by a negated pattern."""
        parts = directory.split("/")
        return any(pattern.negated and _could_be_below(pattern.parts, parts) for pattern in self._patterns)


def _could_be_below(pattern: tuple[str, ...], directory: list[str]) -> bool:
    for wanted, actual in zip(pattern, directory, strict=False):
        if "**" in wanted:
            return True
        if re.search(r"[*?\[\\]", wanted):
            continue
        if wanted != actual:
            return False
    return True


def read_patterns(text: str) -> tuple[str, ...]:
    """The patterns of a ``.dockerignore`` file, comments and blank lines dropped, paths cleaned."""
    patterns = []
    for line in text.removeprefix("\ufeff").split("\n"):
        if line.startswith("#"):
            continue
        pattern = line.strip(SPACES)
        if not pattern:
            continue
        negated = pattern[0] == "!"
        pattern = pattern[1:].strip(SPACES) if negated else pattern
        if pattern:
            pattern = _clean(pattern)
            if len(pattern) > 1 and pattern[0] == "/":
                pattern = pattern[1:]
        patterns.append("!" + pattern if negated else pattern)
    return tuple(patterns)


def _clean(path: str) -> str:
    cleaned = posixpath.normpath(path)
    return "/" + cleaned.lstrip("/") if cleaned.startswith("//") else cleaned


def _compile(pattern: str) -> _Pattern:
    pattern = _clean(pattern.strip(SPACES))
    negated = pattern[0] == "!"
    if negated:
        pattern = pattern[1:]
        if not pattern:
            raise PatternError('illegal exclusion pattern: "!"')
    return _Pattern(_matcher(pattern), negated, tuple(pattern.split("/")))


class _All(NamedTuple):
    automaton: Automaton

    def match(self, path: str, /) -> bool:
        return self.automaton.matches(path)


def _matcher(pattern: str, *, globstar: bool = True) -> Matcher:
    if len(pattern) > PATTERN:
        raise PatternError(f"a pattern of more than {PATTERN} characters")
    parts = list(_parts(pattern, globstar))
    stars = sum(token.loops is not nothing for _, tokens in parts for token in tokens)
    if stars > _STARS:
        return _All(Automaton([token for _, tokens in parts for token in tokens]))
    try:
        return re.compile("".join(part for part, _ in parts) + r"\Z")
    except re.error:
        raise PatternError(f"syntax error in pattern: {pattern}") from None


def _parts(pattern: str, globstar: bool) -> Iterator[tuple[str, Sequence[Token]]]:
    """The pattern piece by piece: as a regular expression and as tokens."""
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if globstar and char == "*" and pattern[at : at + 1] == "*":
            at += 1
            if pattern[at : at + 1] == "/":
                at += 1
            # At the end ** takes everything, elsewhere any number of directories. As moby has it, a leading ** before
            # ordinary characters also takes part of a name.
            part_of_name = at == 2 and not re.search(r"[*?\[\]\\]", pattern[at:])
            if at >= len(pattern) or part_of_name:
                yield "(?s:.*)", (many(),)
            else:
                yield "(?s:.*/)?", directories()
        elif char == "*":
            yield "[^/]*", (many("/"),)
        elif char == "?":
            yield "[^/]", (one("/"),)
        elif char == "[":
            at, text = _class(pattern, at)
            try:
                takes = re.compile(text).match
            except re.error:
                raise PatternError(f"syntax error in pattern: {pattern}") from None
            yield text, (Token(takes=lambda char, takes=takes: takes(char) is not None),)  # type: ignore[misc]
        elif char == "\\":
            if at == len(pattern):
                raise PatternError(f"syntax error in pattern: {pattern}")
            yield re.escape(pattern[at]), (literal(pattern[at]),)
            at += 1
        else:
            yield re.escape(char), (literal(char),)


def is_wildcard(name: str) -> bool:
    """Whether a path component means more than itself (``*``, ``?``, ``[`` that is not escaped)."""
    return re.search(r"(?<!\\)(?:\\\\)*[*?\[]", name) is not None


def glob(component: str) -> Matcher:
    """One path component with wildcards, as Go's path.Match; raises PatternError."""
    return _matcher(component, globstar=False)


def _class(pattern: str, at: int) -> tuple[int, str]:
    """A bracket expression from just after ``[``: Go's path.Match grammar."""
    negated = pattern[at : at + 1] == "^"
    at += negated
    ranges: list[str] = []
    while True:
        if pattern[at : at + 1] == "]" and ranges:
            return at + 1, f"[{'^' if negated else ''}{''.join(ranges)}]"
        low, at = _class_char(pattern, at)
        high = low
        if pattern[at : at + 1] == "-":
            high, at = _class_char(pattern, at + 1)
        ranges.append(f"{re.escape(low)}-{re.escape(high)}" if high != low else re.escape(low))


def _class_char(pattern: str, at: int) -> tuple[str, int]:
    char = pattern[at : at + 1]
    if char == "\\":
        at += 1
        char = pattern[at : at + 1]
    elif char in ("-", "]"):
        char = ""
    if not char or at + 1 >= len(pattern):
        raise PatternError(f"syntax error in pattern: {pattern}")
    return char, at + 1
