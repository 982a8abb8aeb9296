"""Columns as the editor counts them: code units of the encoding that both have agreed on, UTF-16 unless it offers another."""

from __future__ import annotations

import re
from typing import NamedTuple

from lsprotocol import types

_LINE_END = re.compile(r"\r\n|\r")
_ANY_LINE_END = re.compile(r"\r\n|\r|\n")


def normalised(text: str) -> str:
    """With line ends of one character. The protocol knows three of them, all of which end a line in YAML as well."""
    return _LINE_END.sub("\n", text)


def _width(character: str, encoding: str) -> int:
    if encoding == types.PositionEncodingKind.Utf32:
        return 1
    if encoding == types.PositionEncodingKind.Utf8:
        return len(character.encode("utf-8", "surrogatepass"))
    return 2 if ord(character) > 0xFFFF else 1


def edited(text: str, change: types.TextDocumentContentChangeEvent, encoding: str) -> str:
    """``text``, with the editor's own line ends, after one change. A change without a range is the whole text. Places behind the end
    of a line or of the text are that end."""
    if not isinstance(change, types.TextDocumentContentChangePartial):
        return change.text
    start, end = (_offset(text, at, encoding) for at in (change.range.start, change.range.end))
    return text[:start] + change.text + text[max(start, end) :]


def _offset(text: str, at: types.Position, encoding: str) -> int:
    begin = 0
    for _ in range(at.line):
        found = _ANY_LINE_END.search(text, begin)
        if found is None:
            return len(text)
        begin = found.end()
    end = _ANY_LINE_END.search(text, begin)
    line = text[begin : end.start() if end is not None else len(text)]
    return begin + Text(line, encoding).column(types.Position(0, at.character))


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
