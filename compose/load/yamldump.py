"""A project as YAML: byte for byte what ``docker compose config`` writes.

A writer for plain trees with the layout and quoting of the YAML library that Docker Compose uses: two spaces, lists indented
below their key, plain scalars where they read back as the same string, literal blocks for text of several lines.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..model.values import Quantity
from .binder import Record
from .decode import Float32, Words
from .dump import escape_dollars, named
from .scalars import Timestamp, format_float, is_plain_string

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..model import Project

_OLD_BOOLEANS = frozenset(
    ["y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off", "OFF"]
)
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?", re.ASCII)
_BREAKS = "\r\n\x85\u2028\u2029"
_ESCAPES = {
    "\0": "\\0",
    "\a": "\\a",
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\v": "\\v",
    "\f": "\\f",
    "\r": "\\r",
    "\x1b": "\\e",
    '"': '\\"',
    "\\": "\\\\",
    "\x85": "\\N",
    "\xa0": "\\_",
    "\u2028": "\\L",
    "\u2029": "\\P",
}


def to_yaml(project: Project) -> str:
    """``config``."""
    shown = {key: _shown(value, (key,)) for key, value in named(project).items()}
    shown.update({key: _in_order(project.extensions[key]) for key in natural_order(project.extensions)})
    return escape_dollars(yaml_text(shown))


def model_yaml(model: object) -> str:
    """``config --no-interpolate``: keys in natural order throughout."""
    return yaml_text(_in_order(model))


def _in_order(value: object) -> object:
    if isinstance(value, dict):
        return {key: _in_order(value[key]) for key in natural_order(value)}
    if isinstance(value, list):
        return [_in_order(item) for item in value]
    return value


_EMBEDDED = (("deploy", "resources"), ("deploy", "placement"), ("ipam",), ("exec",))


def _shown(value: object, path: tuple[str, ...]) -> object:
    """The YAML form of a bound value: no commands that are null, no empty embedded records, extensions at the end."""
    if isinstance(value, Record):
        out: dict[str, object] = {}
        for key, item in value.items():
            if key in ("command", "entrypoint") and item is None:
                continue
            below = _shown(item, (*path, key))
            if isinstance(item, Record) and not below and any((*path, key)[-len(end) :] == end for end in _EMBEDDED):
                continue
            out[key.lower() if key in ("Path", "Rate", "Weight") else key] = below
        if path[-2:-1] == ("ulimits",):
            out.setdefault("soft", 0)
            out.setdefault("hard", 0)
        out.update({key: _in_order(value.extensions[key]) for key in natural_order(value.extensions)})
        return out
    if isinstance(value, dict):
        return {key: _shown(value[key], (*path, key)) for key in natural_order(value)}
    if isinstance(value, Words):
        return list(value)
    if isinstance(value, list):
        return [_shown(item, path) for item in value]
    return value


def natural_order(keys: Iterable[str]) -> list[str]:
    """Keys sorted as the library does: numbers inside them by value, letters after other characters."""
    from functools import cmp_to_key

    names = list(keys)
    if all(name.isascii() and name.isalpha() and name.islower() for name in names):
        return sorted(names)
    return sorted(names, key=cmp_to_key(_compare))


def _compare(left: str, right: str) -> int:
    digits = False
    for index in range(min(len(left), len(right))):
        a, b = left[index], right[index]
        if a == b:
            digits = a.isdigit()
            continue
        letters = a.isalpha(), b.isalpha()
        if all(letters):
            return -1 if a < b else 1
        if any(letters):
            return (-1 if letters[0] else 1) if digits else (-1 if letters[1] else 1)
        return _compare_numbers(left, right, index)
    return -1 if len(left) < len(right) else 1


def _compare_numbers(left: str, right: str, index: int) -> int:
    a, b = left[index], right[index]
    if a == "0" or b == "0":
        before = index - 1
        while before >= 0 and left[before].isdigit():
            if left[before] != "0":
                break
            before -= 1
        else:
            before = -1
        nonzero = before >= 0 and left[before].isdigit() and left[before] != "0"
    else:
        nonzero = False
    left_end, right_end = index, index
    while left_end < len(left) and left[left_end].isdigit():
        left_end += 1
    while right_end < len(right) and right[right_end].isdigit():
        right_end += 1
    left_value = int(left[index:left_end] or 0) if not nonzero else int("1" + left[index:left_end])
    right_value = int(right[index:right_end] or 0) if not nonzero else int("1" + right[index:right_end])
    if left_value != right_value:
        return -1 if left_value < right_value else 1
    if left_end != right_end:
        return -1 if left_end < right_end else 1
    return -1 if a < b else 1


# Writing ---------------------------------------------------------------------------------------------------------------


def yaml_text(value: object) -> str:
    """``value`` as a YAML document."""
    if isinstance(value, (dict, list)) and value:
        return "\n".join(_lines(value, 0)) + "\n"
    return _inline(value, 0) + "\n"


def _lines(value: object, indent: int) -> Iterator[str]:
    pad = " " * indent
    if isinstance(value, dict):
        for key, item in value.items():
            name = _key(key)
            if isinstance(item, (dict, list)) and item:
                yield f"{pad}{name}:"
                yield from _lines(item, indent + 2)
            else:
                yield f"{pad}{name}: {_inline(item, indent)}"
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, (dict, list)) and item:
                below = _lines(item, indent + 2)
                yield f"{pad}- {next(below)[indent + 2 :]}"
                yield from below
            else:
                yield f"{pad}- {_inline(item, indent)}"


def _key(key: str) -> str:
    return _scalar(key, 0, simple_key=True)


def _inline(value: object, indent: int) -> str:
    if isinstance(value, (str, Quantity)):
        return _scalar(str(value), indent)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return {"+Inf": ".inf", "-Inf": "-.inf", "NaN": ".nan"}.get(
            shown := format_float(value, 6, 32 if isinstance(value, Float32) else 64), shown
        )
    if isinstance(value, Timestamp):
        return value.rfc3339()
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, list):
        return "[]"
    return str(value)


def _scalar(text: str, indent: int, simple_key: bool = False) -> str:
    plain = is_plain_string(text) and text not in _OLD_BOOLEANS and not _BASE_60.fullmatch(text)
    analysis = _Analysis(text)
    if "\n" in text and not simple_key:
        if analysis.block_allowed:
            return _literal(text, indent)
        return _double(text)
    if "\n" in text or (simple_key and analysis.multiline):
        return _double(text)
    if not plain:
        return _double(text)
    if analysis.multiline or not analysis.plain_allowed or not text:
        return _single(text) if analysis.single_allowed else _double(text)
    return text


class _Analysis:
    """Which styles can hold a text, by the rules of libyaml."""

    __slots__ = ("block_allowed", "multiline", "plain_allowed", "single_allowed")

    def __init__(self, text: str) -> None:
        self.multiline = any(char in _BREAKS for char in text)
        self.plain_allowed = bool(text)
        self.single_allowed = self.block_allowed = True
        if not text:
            self.block_allowed = False
            return
        indicators = text.startswith(("---", "..."))
        special = tabs = space_then_break = break_then_space = False
        previous_space = previous_break = False
        preceded = True
        for index, char in enumerate(text):
            following = text[index + 1] if index + 1 < len(text) else ""
            followed = not following or following in " \t" or following in _BREAKS
            if index == 0:
                indicators = indicators or char in "#,[]{}&*!|>'\"%@`" or (char in "?:-" and followed)
            else:
                indicators = indicators or (char == ":" and followed) or (char == "#" and preceded)
            if char == "\t":
                tabs = True
            else:
                special = special or not _printable(char)
            if char == " ":
                break_then_space = break_then_space or previous_break
                previous_space, previous_break = True, False
            elif char in _BREAKS:
                space_then_break = space_then_break or previous_space
                previous_space, previous_break = False, True
            else:
                previous_space = previous_break = False
            preceded = char in " \t" or char in _BREAKS
        ends = {text[0], text[-1]}
        if indicators or self.multiline or " " in ends or any(char in _BREAKS for char in ends):
            self.plain_allowed = False
        if break_then_space or space_then_break or tabs or special:
            self.single_allowed = self.plain_allowed = False
        if text[-1] == " " or space_then_break or special:
            self.block_allowed = False


def _printable(char: str) -> bool:
    code = ord(char)
    return (
        code == 0x0A or 0x20 <= code <= 0x7E or 0xA0 <= code <= 0xD7FF or (0xE000 <= code <= 0xFFFD and code != 0xFEFF)
    )


def _single(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _double(text: str) -> str:
    out = []
    for char in text:
        if char in _ESCAPES:
            out.append(_ESCAPES[char])
        elif _printable(char) or ord(char) > 0xFFFF:
            out.append(char)
        else:
            code = ord(char)
            out.append(f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}")
    return '"' + "".join(out) + '"'


def _literal(text: str, indent: int) -> str:
    header = "|"
    if text[0] == " " or text[0] in _BREAKS:
        header += "2"
    if not text.endswith("\n"):
        header += "-"
    elif text == "\n" or text.endswith("\n\n"):
        header += "+"
    # The library takes a first line break of the text for the one that ends the header.
    body = text.removesuffix("\n").removeprefix("\n")
    pad = " " * (indent + 2)
    lines = [pad + line if line else "" for line in body.split("\n")]
    return header + "\n" + "\n".join(lines)
