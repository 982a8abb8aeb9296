"""What others have named, as text that is only read: no character of it moves a terminal's cursor or changes its title.

Labels, names, paths and an engine's words come from whoever made them. In tables, reports and messages their control
characters are shown as Python writes them (``\\x1b``). What is asked for as it is stays as it is: `logs`, `attach`,
`exec`, templates, and the strings of JSON but for the characters that JSON leaves alone.
"""

from __future__ import annotations

import sys

_CONTROLS = (*range(0x20), *range(0x7F, 0xA0))
_DIRECTIONS = (0x061C, 0x200E, 0x200F, 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Marks that reorder what follows, so that a text reads as another one, and Unicode's own line ends."""

_CELL = {code: ascii(chr(code))[1:-1] for code in (*_CONTROLS, *_DIRECTIONS)}
_LINES = {code: shown for code, shown in _CELL.items() if code not in (0x09, 0x0A)}
_JSON = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), *_DIRECTIONS)}


def cell(text: str) -> str:
    """For a place in a line: line ends and tabs are shown as well."""
    return text if text.isprintable() else text.translate(_CELL)


def lines(text: str) -> str:
    """For text of one or more lines, which stay lines."""
    return text if text.isprintable() else text.translate(_LINES)


def json(text: str) -> str:
    """JSON that reads as before, without the characters that JSON may hold as they are and terminals obey."""
    return text if text.isascii() and "\x7f" not in text else text.translate(_JSON)


def complain(text: object) -> None:
    """One message on standard error; much of it may be words of others."""
    print(lines(str(text)), file=sys.stderr, flush=True)
