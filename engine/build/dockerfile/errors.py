"""What is wrong with a Dockerfile, and where: an error with its lines, and the excerpt shown to the user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import InvalidParameter

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Lines ``first`` to ``last`` of the Dockerfile, counted from 1; both included."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where in which Dockerfile: its name, its whole text, and the lines meant."""

    name: str
    text: str
    span: Span


class DockerfileError(InvalidParameter):
    """A Dockerfile that cannot be built as written. ``span`` is None when the file as a whole is meant; ``place`` is set by
    whoever knows the file."""

    place: Place | None = None

    def __init__(self, message: str, span: Span | None = None, *, parsing: bool = True) -> None:
        self.span = span
        self.reason = message
        prefix = f"dockerfile parse error on line {span.first}: " if parsing and span else ""
        super().__init__(prefix + message)


def excerpt(source: str, span: Span, name: str = "Dockerfile", context: int = 2) -> str:
    """The lines of ``span`` marked with ``>>>``, with ``context`` lines around them, under a ``name:line`` heading."""
    lines = source.splitlines()
    first, last = max(1, span.first - context), min(len(lines), span.last + context)
    shown = [f"{name}:{span.first}", "-" * 20]
    for number in range(first, last + 1):
        mark = ">>>" if span.first <= number <= span.last else "   "
        shown.append(f"{number:4} | {mark} {lines[number - 1]}".rstrip())
    shown.append("-" * 20)
    return "\n".join(shown)


def did_you_mean(wrong: str, options: Iterable[str], *, case: bool = True) -> str:
    """`` (did you mean X?)`` when an option is at most two edits away, else the empty string.

    Without ``case`` the comparison ignores it and the answer is spelled the way the user writes (all upper, all lower).
    """
    word = wrong if case else wrong.lower()
    best, best_distance = "", 3
    for option in sorted(options):
        candidate = option if case else option.lower()
        if candidate == word:
            return ""
        distance = _distance(word, candidate, best_distance)
        if distance < best_distance:
            best, best_distance = candidate, distance
    if not best:
        return ""
    if not case and wrong == wrong.upper():
        best = best.upper()
    return f" (did you mean {best}?)"


def _distance(left: str, right: str, limit: int) -> int:
    """Levenshtein distance, or ``limit`` when it is at least that."""
    if abs(len(left) - len(right)) >= limit:
        return limit
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        previous, row[0] = row[0], i
        for j, b in enumerate(right, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (a != b))
    return min(row[-1], limit)
