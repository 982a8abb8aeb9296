"""A small YAML document as values that know where they stand. Plain data only: no anchors, no tags, one document.

The YAML parser gives nodes; scalars follow YAML 1.2's core schema as far as a configuration needs it. Nothing here knows
a key of the configuration.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import yaml

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEAN = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_LARGEST = 1 << 20
_DEEPEST = 16


class ConfigurationError(Exception):
    """A configuration that cannot be used; ``str(error)`` has one line ``file:line:column: message`` for each fault."""


Content: TypeAlias = "str | int | float | bool | dict[str, Value] | list[Value] | None"


@dataclass(frozen=True, slots=True)
class Value:
    """``content`` is a str, int, float, bool, None, a dict of str to Value, or a list of Values. ``line`` and ``column``
    count from 1; ``keys`` are the places of a mapping's keys."""

    content: Content
    line: int
    column: int
    keys: dict[str, tuple[int, int]] | None = None

    @property
    def members(self) -> dict[str, Value]:
        """Those of a mapping; none of anything else."""
        return self.content if isinstance(self.content, dict) else {}

    @property
    def items(self) -> list[Value]:
        """Those of a list; none of anything else."""
        return self.content if isinstance(self.content, list) else []

    @property
    def text(self) -> str:
        """A scalar as text."""
        return "" if isinstance(self.content, dict | list) or self.content is None else str(self.content)

    @property
    def number(self) -> int:
        """A whole number; 0 for anything else."""
        return self.content if isinstance(self.content, int) else 0


def parse(data: bytes, file: str) -> Value | None:
    """The one document in ``data``; None when it is empty. Raises ConfigurationError."""
    import yaml

    if len(data) > _LARGEST:
        raise ConfigurationError(f"{file}: larger than {_LARGEST} bytes: this is no configuration of an engine")
    try:
        root = yaml.compose(data, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        place = error.problem_mark or error.context_mark
        where = f"{place.line + 1}:{place.column + 1}" if place is not None else "1:1"
        said = ", ".join(part for part in (error.context, error.problem) if part)
        raise ConfigurationError(f"{file}:{where}: not valid YAML: {said}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}:1:1: not valid YAML: {getattr(error, 'reason', error)}") from None
    if root is None:
        return None
    value = _Reader(file).value(root, 0)
    return None if value.content is None else value


class _Reader:
    def __init__(self, file: str) -> None:
        self._file = file
        self._seen: set[int] = set()

    def value(self, node: yaml.Node, depth: int) -> Value:
        import yaml

        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        if id(node) in self._seen:
            raise ConfigurationError(f"{self._file}:{line}:{column}: aliases are not supported here")
        self._seen.add(id(node))
        if depth > _DEEPEST:
            raise ConfigurationError(f"{self._file}:{line}:{column}: nested too deep")
        if isinstance(node, yaml.ScalarNode):
            return Value(_scalar(node), line, column)
        if not isinstance(node, yaml.MappingNode):
            return Value([self.value(item, depth + 1) for item in node.value], line, column)
        members: dict[str, Value] = {}
        places: dict[str, tuple[int, int]] = {}
        for key_node, item in node.value:
            key = key_node.value if key_node.id == "scalar" else None
            at = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if key is None:
                raise ConfigurationError(f"{self._file}:{at[0]}:{at[1]}: a key must be a string")
            if key in members:
                raise ConfigurationError(f"{self._file}:{at[0]}:{at[1]}: {key}: given twice")
            members[key], places[key] = self.value(item, depth + 1), at
        return Value(members, line, column, places)


def _scalar(node: yaml.ScalarNode) -> str | int | float | bool | None:
    text: str = node.value
    if node.style:
        return text
    if text in _NULL:
        return None
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
