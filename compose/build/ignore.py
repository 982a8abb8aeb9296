"""`.dockerignore`: which paths of a build context stay out, by the rules of the Dockerfile reference.

Patterns are relative to the context, ``**`` spans directories, ``!`` takes back, the last match wins, and a match of a
directory covers what is below it.
"""

from __future__ import annotations

import posixpath
import re
from typing import NamedTuple


class Pattern(NamedTuple):
    expression: re.Pattern[str]
    negated: bool


def parse(text: str) -> list[Pattern]:
    """The patterns of an ignore file. Comments and empty lines are left out; a malformed class matches literally."""
    patterns: list[Pattern] = []
    for line in text.lstrip("\ufeff").splitlines():
        if line.startswith("#"):
            continue
        word = line.strip()
        negated = word.startswith("!")
        if negated:
            word = word[1:].strip()
        if not word:
            continue
        word = posixpath.normpath(word).lstrip("/")
        if word != ".":
            patterns.append(Pattern(re.compile(translate(word)), negated))
    return patterns


def translate(pattern: str) -> str:
    """One pattern as an anchored regular expression that also matches everything below."""
    out: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            if pattern[at : at + 1] == "*":
                at += 1
                if pattern[at : at + 1] == "/":
                    at += 1
                    out.append("(?:.*/)?")
                else:
                    out.append(".*")
            else:
                out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "[":
            end = pattern.find("]", at + 1)
            if end < 0:
                out.append(re.escape(char))
                continue
            body = pattern[at:end]
            negate = body[:1] in ("^", "!")
            out.append(f"[{'^' if negate else ''}{re.escape(body[negate:]).replace(chr(92) + '-', '-')}]")
            at = end + 1
        elif char == "\\" and at < len(pattern):
            out.append(re.escape(pattern[at]))
            at += 1
        else:
            out.append(re.escape(char))
    return "".join(out) + r"(?:/.*)?\Z"


def ignored(patterns: list[Pattern], path: str) -> bool:
    """Whether the context path stays out."""
    result = False
    for pattern in patterns:
        if pattern.negated == result and pattern.expression.match(path):
            result = not pattern.negated
    return result


def may_prune(patterns: list[Pattern]) -> bool:
    """Whether an ignored directory can be skipped whole: not when something below it may be taken back."""
    return not any(pattern.negated for pattern in patterns)
