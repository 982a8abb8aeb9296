"""Words of a Dockerfile: quotes, escapes and ``$variables``, as the builder expands them outside of any shell.

The grammar is the Dockerfile reference's (``${name:-word}``, ``${name#pattern}``, ``${name/pattern/text}``…), a subset of
POSIX shell parameter expansion. This is not a shell: RUN commands are expanded by the shell in the container.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ....grammar.ignore import SPACES
from ....grammar.wildcards import Automaton, Token, literal, many, one
from ... import bounds

if TYPE_CHECKING:
    from collections.abc import Mapping

# What Go's unicode.IsSpace accepts; str.isspace also takes the ASCII separators 0x1c-0x1f.
_SPACE_SET = frozenset(SPACES)
_SHOWN = 1000  # characters of a text that an error repeats
_SPECIAL_PARAMETERS = frozenset("@*#?-$!0")


class ExpansionError(ValueError):
    """A word that cannot be expanded: open quotes, a bad substitution, an unset variable with ``?``."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """``text`` is the whole source expanded; ``words`` the same split at unquoted spaces, after expansion.

    ``matched`` and ``unmatched`` are the names that were looked up and found, or not found, in the environment.
    """

    text: str
    words: tuple[str, ...]
    matched: frozenset[str]
    unmatched: frozenset[str]


class Keep(NamedTuple):
    """What an expansion leaves as it is: quotes, escapes, and references to variables that are not set."""

    quotes: bool = False
    escapes: bool = False
    unset: bool = False


_NOTHING = Keep()


def expand(
    source: str,
    env: Mapping[str, str],
    *,
    escape: str = "\\",
    keep: Keep = _NOTHING,
    quoting: bool = True,
    budget: Budget | None = None,
) -> Expansion:
    """Expand ``source`` with the variables of ``env``; raises ExpansionError.

    Without ``quoting`` quotes are ordinary characters (as in the body of a here-document). ``budget`` is what all texts of one
    build may come to.
    """
    scan = _Scan(source, env, escape, keep, quoting)
    try:
        text, words = scan.until(None, keep.escapes)
        if budget is not None:
            budget.spend(len(text))
    except ExpansionError as error:
        shown = source if len(source) <= _SHOWN else f"{source[:_SHOWN]}…"
        raise ExpansionError(f'failed to process "{shown}": {error}') from None
    return Expansion(text, tuple(words), frozenset(scan.matched), frozenset(scan.unmatched))


@dataclass(slots=True)
class Budget:
    """Characters that may still be expanded. Threads may share one: a race costs no more than a text."""

    left: int = bounds.EXPANSIONS

    def spend(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise ExpansionError(f"the texts of this build come to more than {bounds.EXPANSIONS} characters")


class _Words:
    """Collects characters into words; unquoted spaces end a word."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self._open: list[str] = []

    def plain(self, text: str) -> None:
        for char in text:
            if char in _SPACE_SET:
                self.end()
            else:
                self._open.append(char)

    def quoted(self, text: str) -> None:
        if text:
            self._open.append(text)

    def end(self) -> None:
        if self._open:
            self.done.append("".join(self._open))
            self._open = []


class _Scan:
    """One pass over a source text. Characters are consumed from ``text`` at ``at``."""

    def __init__(self, text: str, env: Mapping[str, str], escape: str, keep: Keep, quoting: bool) -> None:
        self.text, self.at = text, 0
        self.env, self.escape = env, escape
        self.keep_quotes, self.keep_unset, self.quoting = keep.quotes, keep.unset, quoting
        self.keep_escapes = False
        self.matched: set[str] = set()
        self.unmatched: set[str] = set()
        self.depth = self.added = self.steps = 0

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def take(self) -> str:
        char = self.text[self.at : self.at + 1]
        self.at += len(char)
        return char

    def until(self, stop: str | None, keep_escapes: bool) -> tuple[str, list[str]]:
        """Expand up to ``stop`` (consumed), or to the end of the text when it is None."""
        outer, self.keep_escapes = self.keep_escapes, keep_escapes
        try:
            return self._until(stop)
        finally:
            self.keep_escapes = outer

    def _until(self, stop: str | None) -> tuple[str, list[str]]:
        result: list[str] = []
        words = _Words()
        while char := self.peek():
            if char == stop:
                self.take()
                break
            if char == "$":
                value = self._dollar()
                words.plain(value)
                result.append(value)
            elif char == "<":
                value = self._redirection()
                words.quoted(value)
                result.append(value)
            elif self.quoting and char in "'\"":
                value = self._single() if char == "'" else self._double()
                words.quoted(value)
                result.append(value)
            elif char == self.escape:
                self.take()
                value = (char if self.keep_escapes else "") + self.take()
                words.quoted(value)
                result.append(value)
            else:
                words.plain(self.take())
                result.append(char)
        else:
            if stop is not None:
                raise ExpansionError(f"unexpected end of statement while looking for matching {stop}")
        words.end()
        return "".join(result), words.done

    def _single(self) -> str:
        end = self.text.find("'", self.at + 1)
        if end < 0:
            self.at = len(self.text)
            raise ExpansionError("unexpected end of statement while looking for matching single-quote")
        inner = self.text[self.at + 1 : end]
        self.at = end + 1
        return f"'{inner}'" if self.keep_quotes else inner

    def _double(self) -> str:
        mark = '"' if self.keep_quotes else ""
        result = [mark]
        self.take()
        while True:
            char = self.peek()
            if not char:
                raise ExpansionError("unexpected end of statement while looking for matching double-quote")
            if char == '"':
                self.take()
                return "".join([*result, mark])
            if char == "$":
                result.append(self._dollar())
                continue
            self.take()
            if char == self.escape:
                if self.keep_escapes:
                    result.append(char)
                following = self.peek()
                if not following:
                    continue
                if following in ('"', "$", self.escape):
                    char = self.take()
            result.append(char)

    def _redirection(self) -> str:
        """``<<`` and the blanks after it stay glued to the word that follows, so that ``<< EOF`` is one word."""
        self.take()
        if self.peek() != "<":
            return "<"
        start = self.at - 1
        self.take()
        while self.peek() in ("\t", "\r", " "):
            self.take()
        return self.text[start : self.at]

    # variables -----------------------------------------------------------------------------------------------------
    def _name(self) -> str:
        first = self.peek()
        if first.isdecimal():
            pattern = _DIGITS
        elif first in _SPECIAL_PARAMETERS:
            return self.take()
        else:
            pattern = _NAME
        match = pattern.match(self.text, self.at)
        if match is None:
            return ""
        self.at = match.end()
        return match.group()

    def _lookup(self, name: str) -> str | None:
        value = self.env.get(name)
        (self.unmatched if value is None else self.matched).add(name)
        return value

    def _word(self, stop: str, keep_escapes: bool) -> str:
        try:
            return self.until(stop, keep_escapes)[0]
        except ExpansionError:
            if not self.peek():
                what = "'}'" if stop == "}" else "'/' in ${}"
                raise ExpansionError(f"syntax error: missing {what}") from None
            raise

    def _dollar(self) -> str:
        self.take()
        if self.peek() != "{":
            name = self._name()
            if not name:
                return "$"
            value = self._lookup(name)
            if value is None:
                return "$" + name if self.keep_unset else ""
            return self._added(value)
        self.take()
        if self.depth == bounds.NESTING:
            raise ExpansionError(f"more than {bounds.NESTING} variables within each other")
        self.depth += 1
        try:
            return self._added(self._braced())
        finally:
            self.depth -= 1

    def _added(self, value: str) -> str:
        self.added += len(value)
        if self.added > bounds.EXPANSION:
            raise ExpansionError(f"its variables come to more than {bounds.EXPANSION} characters")
        return value

    def _braced(self) -> str:
        if not self.peek():
            raise ExpansionError("syntax error: missing '}'")
        if self.peek() in "{}:":
            raise ExpansionError("syntax error: bad substitution")
        name = self._name()
        operator = self.take()
        if operator == "}":
            value = self._lookup(name)
            if value is None:
                return f"${{{name}}}" if self.keep_unset else ""
            return value
        if operator == "/":
            return self._replace(name)
        if operator == ":":
            operator += self.take()
        if operator in (":#", ":%") or not operator or operator[0] not in ":+-?#%":
            raise ExpansionError(f"unsupported modifier ({operator}) in substitution")
        return self._modify(name, operator, self._word("}", operator in "#%"))

    def _modify(self, name: str, operator: str, word: str) -> str:
        value = self._lookup(name)
        if value is None and self.keep_unset:
            return f"${{{name}{operator}{word}}}"
        present = value is not None and not (operator[0] == ":" and not value)
        kind = operator[-1]
        if kind == "-":
            return value or "" if present else word
        if kind == "+":
            return word if present else ""
        if kind == "?":
            if present:
                return value or ""
            state = "unset" if value is None else "empty"
            raise ExpansionError(f"{name}: {word or f'is not allowed to be {state}'}")
        if kind in "#%" and operator == kind:
            longest = word[:1] == kind
            return self._trim(value or "", word[longest:], suffix=kind == "%", longest=longest)
        raise ExpansionError(f"unsupported modifier ({operator}) in substitution")

    def _replace(self, name: str) -> str:
        everywhere = self.peek() == "/"
        if everywhere:
            self.take()
        pattern = self._word("/", True)
        replacement = self._word("}", True)
        value = self._lookup(name)
        if value is None and self.keep_unset:
            return f"${{{name}/{pattern}/{replacement}}}"
        automaton = Automaton(_tokens(pattern))
        result: list[str] = []
        start = at = size = 0
        text = value or ""
        while at <= len(text):
            end = max(automaton.ends(text, at), default=-1)
            self._spend(automaton)
            # An empty match right after the previous one is none: "*" replaces a text once.
            if end < 0 or (end == at == start and result):
                at += 1
                continue
            result += [text[start:at], replacement]
            size += len(replacement)
            if size > bounds.EXPANSION:
                raise ExpansionError(f"its variables come to more than {bounds.EXPANSION} characters")
            at, start = (end if end > at else at + 1), end
            if not everywhere:
                break
        return "".join(result) + text[start:]

    def _spend(self, automaton: Automaton) -> None:
        self.steps += automaton.spent + 1
        automaton.spent = 0
        if self.steps > bounds.MATCHING:
            raise ExpansionError(f"its patterns take more than {bounds.MATCHING} steps to match")

    def _trim(self, value: str, pattern: str, *, suffix: bool, longest: bool) -> str:
        """Remove the shortest or longest prefix (suffix) of ``value`` that matches ``pattern``."""
        tokens = _tokens(pattern)
        automaton = Automaton(tokens[::-1] if suffix else tokens)
        ends = automaton.ends(value[::-1] if suffix else value)
        cut = max(ends, default=0) if longest else next(ends, 0)
        self._spend(automaton)
        return value[: len(value) - cut] if suffix else value[cut:]


_DIGITS = re.compile(r"\d+")
_NAME = re.compile(r"\w+")


def _tokens(pattern: str) -> list[Token]:
    """``*`` and ``?`` of POSIX pattern matching, without bracket expressions; a backslash makes them ordinary.

    Neither takes a newline, as in BuildKit.
    """
    if len(pattern) > bounds.PATTERN:
        raise ExpansionError(f"a pattern of more than {bounds.PATTERN} characters")
    out: list[Token] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            out.append(many("\n"))
        elif char == "?":
            out.append(one("\n"))
        elif char == "\\":
            following = pattern[at : at + 1]
            if following in ("}", "/"):
                continue
            if following not in ("*", "?", "\\") or not following:
                raise ExpansionError(f"invalid pattern ({pattern}) in substitution: invalid escape '\\{following}'")
            out.append(literal(following))
            at += 1
        else:
            out.append(literal(char))
    return out
