"""A terminal's screen in memory (pyte), in bounded space whatever a container writes.

pyte collects an unfinished sequence, characters that combine with a cell and saved cursors without end, and takes time that grows with
the square of the first. So `Sequences` lets only short, complete control sequences pass, and `Emulator` bounds the other two.
"""

from __future__ import annotations

import re
import unicodedata

import pyte

SEQUENCE_LIMIT = 64
"""Characters of a control sequence at most; a longer one is dropped."""

CELL_LIMIT = 8
"""Characters that share one cell at most."""

SAVED_LIMIT = 16
"""Cursors that are kept saved at most, the newest."""

_BEGIN = re.compile("[\x1b\x90\x98\x9b\x9d\x9e\x9f]")
_CONTROL = re.compile("(?:\x1b\\[|\x9b)[0-?]*[ -/]*")
_SIMPLE = re.compile("\x1b[ -/]?[0-~]")
_SIMPLE_PART = re.compile("\x1b[ -/]?")
_PARAMETERS = re.compile("[0-?]*[ -/]*")
_STRING = re.compile("\x1b[\\]PX^_]|[\x90\x98\x9d\x9e\x9f]")
_STRING_END = re.compile("\x1b\\\\|[\x07\x18\x1a\x9c]")


class Sequences:
    """Text of a terminal in blocks, without what is only a string for the terminal (ECMA-48 5.6: titles, device strings) and
    without sequences that are cut, broken or longer than `SEQUENCE_LIMIT`."""

    def __init__(self) -> None:
        self._rest = ""
        self._in_string = False
        self._in_long = False

    def feed(self, block: str) -> str:
        """What of ``block``, and of what was held back before, is to be shown."""
        text, self._rest = self._rest + block, ""
        passed: list[str] = []
        at = 0
        while at < len(text):
            if self._in_string:
                at = self._after_string(text, at)
            elif self._in_long:
                at = self._after_long(text, at)
            else:
                begin = _BEGIN.search(text, at)
                passed.append(text[at : begin.start() if begin else None])
                at = self._sequence(text, begin.start(), passed) if begin else len(text)
        return "".join(passed)

    def _after_string(self, text: str, at: int) -> int:
        end = _STRING_END.search(text, at)
        if end is None:
            self._rest = "\x1b" if text.endswith("\x1b") else ""
            return len(text)
        self._in_string = False
        return end.end()

    def _after_long(self, text: str, at: int) -> int:
        found = _PARAMETERS.match(text, at)
        end = found.end() if found else at
        if end == len(text):
            return end
        self._in_long = False
        return end + ("@" <= text[end] <= "~")

    def _sequence(self, text: str, at: int, passed: list[str]) -> int:
        """One sequence from its introducer on; the answer is where to go on."""
        if string := _STRING.match(text, at):
            self._in_string = True
            return string.end()
        if control := _CONTROL.match(text, at):
            return self._control(text, at, control.end(), passed)
        if simple := _SIMPLE.match(text, at):
            passed.append(simple[0])
            return simple.end()
        if len(text) - at < 3 and _SIMPLE_PART.fullmatch(text, at):
            self._rest = text[at:]
            return len(text)
        return at + 1

    def _control(self, text: str, begin: int, end: int, passed: list[str]) -> int:
        short = end - begin < SEQUENCE_LIMIT
        if end == len(text):
            self._rest = text[begin:] if short else ""
            self._in_long = not short
            return end
        if not "@" <= text[end] <= "~":
            return end
        if short:
            passed.append(text[begin : end + 1])
        return end + 1


class Emulator(pyte.Screen):
    """pyte's screen with bounded cells and a bounded stack of saved cursors."""

    def draw(self, data: str) -> None:
        if data.isascii():
            super().draw(data)
            return
        for char in data:
            if not unicodedata.combining(char) or len(self._before()) < CELL_LIMIT:
                super().draw(char)

    def _before(self) -> str:
        """The cell that a combining character would join."""
        row, column = self.cursor.y, self.cursor.x
        if column:
            return self.buffer[row][column - 1].data
        return self.buffer[row - 1][self.columns - 1].data if row else ""

    def save_cursor(self) -> None:
        super().save_cursor()
        del self.savepoints[:-SAVED_LIMIT]
