"""Columns as the editor counts them: code units of the encoding that both have agreed on, UTF-16 unless it offers another."""

from __future__ import annotations

import re
from typing import NamedTuple

from lsprotocol import types

_LINE_END = re.compile(r"\r\n|\r")


def normalised(text: str) -> str:
    """With line ends of one character. The protocol knows three of them, all of which end a line in YAML as well."""
    return _LINE_END.sub("\n", text)


def _width(character: str, encoding: str) -> int:
    if encoding == types.PositionEncodingKind.Utf32:
        return 1
    if encoding == types.PositionEncodingKind.Utf8:
        return len(character.encode("utf-8", "surrogatepass"))
    return 2 if ord(character) > 0xFFFF else 1


class Text(NamedTuple):
    """A file's text with line ends of one character, and the encoding that its columns are told in."""

    content: str
    encoding: str

    def _line(self, number: int) -> str:
        lines = self.content.split("\n")
        return lines[number] if 0 <= number < len(lines) else ""

    def column(self, at: types.Position) -> int:
        """Characters before a position. One in the middle of a character is its beginning; one behind the line is its end."""
        left = at.character
        for index, character in enumerate(line := self._line(at.line)):
            left -= _width(character, self.encoding)
            if left < 0:
                return index
        return len(line)

    def outward(self, found: types.Range) -> types.Range:
        """A range in characters as the editor counts it."""
        return types.Range(self._position(found.start), self._position(found.end))

    def _position(self, at: types.Position) -> types.Position:
        units = sum(_width(character, self.encoding) for character in self._line(at.line)[: at.character])
        return types.Position(at.line, units)
