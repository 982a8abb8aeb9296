"""The ``.env`` grammar: ``KEY=value``, ``KEY: value``, ``export KEY=value``, inherited ``KEY``; single quotes literal, double
quotes with escapes and expansion, both over several lines; `` #`` comments; expansion of earlier keys.

Also the ``raw`` format, where a value is everything after the first ``=``. It opens no file.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .interpolate import Lookup, MissingVariable, TemplateError, substitute

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BLANK = "\t\v\f\r \x85\xa0"
_ESCAPE = re.compile(r"\\(?:[abcfnrtv$\"\\]|0\d{0,3})", re.ASCII)
_PLAIN_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", '"': '"', "\\": "\\"}


class DotenvError(ValueError):
    """A line that does not follow the grammar; ``line`` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line
        self.message = message


class _Overlay(dict[str, str]):
    """What a value may refer to: what the caller looks up first, then the keys read so far."""

    def __init__(self, outer: Callable[[str], str | None], inner: dict[str, str]) -> None:
        super().__init__()
        self.outer = outer
        self.inner = inner

    def get(self, key: str, default: str | None = None) -> str | None:  # type: ignore[override]
        found = self.outer(key)
        return found if found is not None else self.inner.get(key, default)


def parse(
    text: str, lookup: Callable[[str], str | None], unset: Callable[[str, int], None] | None = None
) -> dict[str, str]:
    """The keys and values of ``text``; raises `DotenvError`. ``unset`` hears of variables that are not set, with the line."""
    return {key: value for key, value, _ in entries(text, lookup, unset)}


def entries(
    text: str, lookup: Callable[[str], str | None], unset: Callable[[str, int], None] | None = None
) -> Iterator[tuple[str, str, int]]:
    """Key, value and line of each assignment, in order."""
    return _Parser(text.removeprefix("\ufeff"), lookup, unset).run()


def parse_raw(text: str) -> dict[str, str]:
    """The ``raw`` format: no quotes, no expansion, no inline comments."""
    out: dict[str, str] = {}
    for line in text.removeprefix("\ufeff").splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, separator, value = line.partition("=")
        if separator:
            out[key.strip()] = value
    return out


class _Parser:
    def __init__(
        self, text: str, lookup: Callable[[str], str | None], unset: Callable[[str, int], None] | None
    ) -> None:
        self.text = text
        self.at = 0
        self.out: dict[str, str] = {}
        self.lookup = lookup
        self.unset = unset
        self.counted_to = 0
        self.counted = 1
        self.variables = Lookup(_Overlay(lookup, self.out), self._note_unset)

    def line(self) -> int:
        self.counted += self.text.count("\n", self.counted_to, self.at)
        self.counted_to = max(self.counted_to, self.at)
        return self.counted

    def _note_unset(self, name: str) -> None:
        if self.unset is not None:
            self.unset(name, self.line())

    def run(self) -> Iterator[tuple[str, str, int]]:
        while self._statement():
            line = self.line()
            key, inherited = self._key()
            if " " in key:
                raise DotenvError(line, "key cannot contain a space")
            if inherited:
                value = self.lookup(key)
                if value is None:
                    continue
            else:
                value = self._value()
            self.out[key] = value
            yield key, value, line

    def _statement(self) -> bool:
        """Move to the next assignment; False at the end."""
        text = self.text
        while True:
            while self.at < len(text) and (text[self.at].isspace() or text[self.at] in "\x85\xa0"):
                self.at += 1
            if self.at >= len(text):
                return False
            if text[self.at] != "#":
                return True
            end = text.find("\n", self.at)
            if end < 0:
                return False
            self.at = end

    def _key(self) -> tuple[str, bool]:
        """The key, and whether its value comes from the environment."""
        text = self.text
        exported = re.compile(r"export[^\S\n]+").match(text, self.at)
        if exported:
            self.at = exported.end()
        start = index = self.at
        while index < len(text):
            char = text[index]
            if char in "=:\n":
                key = text[start:index]
                self.at = index + 1
                while self.at < len(text) and text[self.at] in _BLANK:
                    self.at += 1
                return key.rstrip(), char == "\n"
            if char not in _BLANK and char not in "_.-[]" and not (char.isalpha() or char.isnumeric()):
                line = text[start:].partition("\n")[0]
                raise DotenvError(self.line(), f"unexpected character {char!r} in variable name {line!r}")
            index += 1
        # The last line, without a line break: a name whose value comes from the environment, as on any other line.
        self.at = len(text)
        key = text[start:].strip()
        if not key:
            raise DotenvError(self.line(), "zero length string")
        return key, True

    def _expand(self, value: str) -> str:
        try:
            return substitute(value, self.variables)
        except (TemplateError, MissingVariable) as error:
            reason = str(error) if isinstance(error, MissingVariable) else f"invalid template: {value!r}"
            raise DotenvError(self.line(), reason) from None

    def _value(self) -> str:
        text = self.text
        quote = text[self.at : self.at + 1]
        if quote not in ("'", '"') or not quote:
            line_end = text.find("\n", self.at)
            end = line_end if line_end >= 0 else len(text)
            value = text[self.at : end].partition(" #")[0].rstrip()
            result = self._expand(value)
            self.at = min(end + 1, len(text))
            return result
        start = self.at
        chars: list[str] = []
        index = start + 1
        escaped = False
        while index < len(text):
            char = text[index]
            if char == quote and not escaped:
                self.at = index + 1
                value = "".join(chars)
                return self._expand(_ESCAPE.sub(_unescape, value)) if quote == '"' else value
            if char == quote:
                escaped = False
                chars.append(char)
            elif not escaped and char == "\\":
                escaped = True
            else:
                if escaped:
                    escaped = False
                    chars.append("\\")
                chars.append(char)
            index += 1
        line = text[start:].partition("\n")[0]
        raise DotenvError(self.line(), f"unterminated quoted value {line}")


def _unescape(found: re.Match[str]) -> str:
    match = found.group()
    if match == "\\$":
        return "$$"
    if match[1] == "0":
        digits = match[2:]
        if len(digits) == 3 and all(digit in "01234567" for digit in digits) and int(digits, 8) < 256:
            return chr(int(digits, 8))
        return match
    return _PLAIN_ESCAPES.get(match[1], match)
