"""Where the cursor is in a Compose file that may be half written: the key path, by indentation alone. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

_KEY = re.compile(
    r"""^(?P<indent>[ ]*)(?P<dash>-[ ]+)?(?P<key>"[^"]*"|'[^']*'|[^\s:#'"\[{&*!|>][^:#]*?)\s*:(?P<rest>\s.*|)$"""
)
_ITEM = re.compile(r"^(?P<indent>[ ]*)-(?:[ ]+(?P<value>.*))?$")


class Place(NamedTuple):
    """``path``: the keys above the cursor and, in a value, its own; list entries by index. ``word``: what is written up to the
    cursor. ``is_key``: a key is being written, whose mapping is at ``path``."""

    path: tuple[str | int, ...]
    word: str
    is_key: bool


class _Level(NamedTuple):
    indent: int
    part: str | int


def place_at(text: str, line: int, column: int) -> Place:
    """Of a position, both counted from 0."""
    lines = text.split("\n")
    above = lines[:line]
    here = lines[line] if line < len(lines) else ""
    before = here[:column]
    stack: list[_Level] = []
    for one in above:
        _step(stack, one)
    written = before.lstrip(" ")
    indent = len(before) - len(written)
    item = _ITEM.match(before)
    if item is not None:
        _leave(stack, indent, dash=True)
        _count(stack, indent)
        written = (item["value"] or "").lstrip()
        indent += len(before) - indent - len(written)
    else:
        _leave(stack, indent, dash=False)
    path = tuple(level.part for level in stack)
    key, colon, value = written.partition(":")
    if colon and (not value or value[:1] == " "):
        return Place((*path, key.strip("\"'")), value.strip(), is_key=False)
    return Place(path, written, is_key=item is None)


def key_at(text: str, line: int) -> tuple[str | int, ...]:
    """The path of the key whose line this is: for what is said about a key and its value."""
    lines = text.split("\n")
    here = lines[line] if line < len(lines) else ""
    return place_at(text, line, len(here.split(" #")[0].rstrip())).path


def _step(stack: list[_Level], line: str) -> None:
    """Take one line above the cursor into account."""
    if not line.strip() or line.lstrip().startswith("#"):
        return
    indent = len(line) - len(line.lstrip(" "))
    if _ITEM.match(line):
        _leave(stack, indent, dash=True)
        _count(stack, indent)
        rest = line[indent + 1 :]
        indent += 1 + len(rest) - len(rest.lstrip(" "))
        line = " " * indent + rest.lstrip(" ")
    else:
        _leave(stack, indent, dash=False)
    found = _KEY.match(line)
    if found is not None:
        stack.append(_Level(indent, found["key"].strip("\"'")))


def _leave(stack: list[_Level], indent: int, *, dash: bool) -> None:
    """Forget what a line at this indent is not below of. A list may stand at its key's own indent."""
    while stack and (
        stack[-1].indent > indent
        or (
            stack[-1].indent == indent and not (dash and (isinstance(stack[-1].part, int) or _owns_list(stack, indent)))
        )
    ):
        stack.pop()


def _owns_list(stack: list[_Level], indent: int) -> bool:
    return isinstance(stack[-1].part, str) and stack[-1].indent == indent


def _count(stack: list[_Level], indent: int) -> None:
    """The next entry of the list at this indent."""
    if stack and isinstance(stack[-1].part, int) and stack[-1].indent == indent:
        stack[-1] = _Level(indent, stack[-1].part + 1)
    else:
        stack.append(_Level(indent, 0))


_VARIABLE = re.compile(r"\$\{?([A-Za-z_0-9]*)$")


def variable_before(text: str, line: int, column: int) -> str | None:
    """The beginning of a variable's name that is being written (``${DB_``), None for none."""
    lines = text.split("\n")
    found = _VARIABLE.search(lines[line][:column]) if line < len(lines) else None
    return found[1] if found is not None and not lines[line][:column].endswith("$$") else None
