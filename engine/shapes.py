"""Decode untrusted JSON by Go's rules, and check it against a table of member names and JSON types. Only types are checked here;
what values mean is checked in the validator of each resource.

A table maps a member's name to its ``Field``. As in Go's decoder, which the API's clients were written against: names match
without regard to case, unknown members are dropped, null is as good as absent.
"""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from .errors import InvalidParameter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
"""What a JSON text can hold."""
Kind = Literal[
    "string",
    "int",
    "bool",
    "bool?",
    "int?",
    "strings",
    "map",
    "sets",
    "object",
    "objects",
    "map of objects",
    "ints",
    "word lists",
    "any",
]


@dataclass(frozen=True, slots=True)
class Field:
    """``members`` are those of an object, or of each object of a list or of lists; None leaves them unchecked."""

    kind: Kind
    default: Json = None
    members: Mapping[str, Field] | None = None


_I64 = 2**63


def normalize(table: Mapping[str, Field], body: Mapping[str, object], where: str) -> dict[str, object]:
    """Every member of ``table``, from ``body`` or its default. Raises InvalidParameter for a wrong JSON type."""
    given = checked(table, body, where)
    return {name: given[name] if name in given else deepcopy(field.default) for name, field in table.items()}


def checked(table: Mapping[str, Field], body: Mapping[str, object], where: str) -> dict[str, object]:
    """The members of ``table`` that ``body`` has, by their right names. Raises InvalidParameter for a wrong JSON type."""
    folded = {name.lower(): name for name in body}
    result: dict[str, object] = {}
    for name, field in table.items():
        given = name if name in body else folded.get(name.lower())
        value = body[given] if given is not None else None
        if value is not None:
            result[name] = convert(field, value, f"{where}.{name}" if where else name)
    return result


def convert(field: Field, value: object, where: str) -> object:
    """``value`` in the type of ``field``. Raises InvalidParameter."""
    match field.kind:
        case "string":
            if isinstance(value, str):
                return value
        case "int" | "int?":
            if isinstance(value, float) and value.is_integer():
                value = int(value)
            if isinstance(value, int) and not isinstance(value, bool) and -_I64 <= value < _I64:
                return value
        case "bool" | "bool?":
            if isinstance(value, bool):
                return value
        case "strings":
            if isinstance(value, str) and where in ("Cmd", "Entrypoint"):
                return [value]
            if isinstance(value, list) and all(isinstance(item, str) for item in value):
                return list(value)
        case "word lists":
            if isinstance(value, list) and all(isinstance(item, list) for item in value):
                return [convert(Field("strings"), item, f"{where}[{index}]") for index, item in enumerate(value)]
        case "map":
            if isinstance(value, dict) and all(isinstance(item, str) for item in value.values()):
                return dict(value)
        case "sets":
            if isinstance(value, dict):
                return {key: {} for key in value}
        case "object":
            if isinstance(value, dict):
                return value if field.members is None else checked(field.members, value, where)
        case "objects":
            if isinstance(value, list) and all(isinstance(item, dict) for item in value):
                if field.members is None:
                    return value
                return [checked(field.members, item, f"{where}[{index}]") for index, item in enumerate(value)]
        case "map of objects":
            # Of lists of objects, that is; null is as good as an empty list.
            if isinstance(value, dict):
                entries = Field("objects", members=field.members)
                return {
                    key: None if item is None else convert(entries, item, f"{where}[{key}]")
                    for key, item in value.items()
                }
        case "ints":
            if isinstance(value, list) and all(isinstance(item, int) for item in value):
                return value
        case "any":
            return value
    raise InvalidParameter(f"invalid JSON: cannot use this {_json_type(value)} as {where}: want {_WORDS[field.kind]}")


_WORDS = {
    "int": "a number", "int?": "a number", "bool": "true or false", "bool?": "true or false", "string": "a string",
    "strings": "a list of strings", "word lists": "a list of lists of strings", "map": "a map of strings", "sets": "a map",
    "object": "an object", "map of objects": "an object", "objects": "a list of objects", "ints": "a list of numbers",
}  # fmt: skip


def _json_type(value: object) -> str:
    names = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}
    return names.get(type(value), "value")


def members(value: object) -> Mapping[str, object]:
    """The members of what may be an object; none of anything else."""
    return value if isinstance(value, dict) else {}


def objects(value: object) -> tuple[Mapping[str, object], ...]:
    """The objects of what may be a list of them; whatever else is in it is left out."""
    return tuple(one for one in value if isinstance(one, dict)) if isinstance(value, list | tuple) else ()


def strings(value: object) -> tuple[str, ...]:
    """The entries of what may be a list, as text."""
    return tuple(str(one) for one in value) if isinstance(value, list | tuple) else ()


def pairs(value: object) -> dict[str, str]:
    """The members of what may be a map, as text; null as ""."""
    return {name: "" if one is None else str(one) for name, one in members(value).items()}


def text(value: object) -> str:
    """A string; "" for anything else."""
    return value if isinstance(value, str) else ""


def number(value: object) -> int:
    """A whole number; 0 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def decode(text: str) -> Json:
    """JSON of a stranger. As in Go's decoder half a surrogate pair is U+FFFD, and NaN and Infinity are no JSON; a NUL, which
    no path, argument or name may have, is refused. Raises ValueError."""
    try:
        body: Json = json.loads(text, parse_constant=_no_constant)
        return _plain(body) if "\\u" in text else body
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _plain(value: Json) -> Json:
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("a string contains a NUL")
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    return value


def _no_constant(word: str) -> Json:
    raise ValueError(f"invalid character {word[0]!r} looking for a value")


def truth(key: str, values: Sequence[str]) -> bool:
    """A filter's boolean: what says neither yes nor no does not count beside what does. Raises InvalidParameter."""
    yes, no = not {"1", "true"}.isdisjoint(values), not {"0", "false"}.isdisjoint(values)
    if yes == no:
        raise InvalidParameter(f"invalid filter '{key}=[{' '.join(values)}]'")
    return yes
