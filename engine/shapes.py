"""Decode untrusted JSON by Go's rules, and check it against a table of member names and JSON types. Only types are checked here;
what values mean is checked in the validator of each resource.

A table maps a member's name to its ``Field``. As in Go's decoder, which the API's clients were written against: names match
without regard to case, unknown members are dropped, null is as good as absent.
"""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..grammar import patterns
from .errors import InvalidParameter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeAlias

    from ..grammar.jsontree import Json as Json

    Members: TypeAlias = "Mapping[str, Field] | None"

_SPECIAL = frozenset(r"\.+*?()|[]{}^$")
"""Characters by which a filter's name is an expression."""

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


def inner(
    body: Mapping[str, object], name: str, where: str = "", kind: Literal["object", "map"] = "object"
) -> dict[str, Json]:
    """What the object ``name`` of a body holds; nothing when it is absent or null. Raises InvalidParameter for all else."""
    found = checked({name: Field(kind)}, body, where).get(name)
    return found if isinstance(found, dict) else {}


def flag(body: Mapping[str, object], name: str) -> bool:
    """Whether a member is true. Raises InvalidParameter for what is not a truth value."""
    return checked({name: Field("bool")}, body, "").get(name) is True


def convert(field: Field, value: object, where: str) -> object:
    """``value`` in the type of ``field``. Raises InvalidParameter."""
    found = _READERS[field.kind](value, field.members, where)
    if found is _WRONG:
        raise InvalidParameter(
            f"invalid JSON: cannot use this {_json_type(value)} as {where}: want {_WORDS[field.kind]}"
        )
    return found


_ONE_OR_MORE = (
    "Cmd",
    "Entrypoint",
    "HostConfig.CapAdd",
    "HostConfig.CapDrop",
)  # a string is a list of one, as to Docker
_WRONG = object()
"""What a reader gives for a value that is not of its kind."""


def _string(value: object, inner: Members, where: str) -> object:
    return value if isinstance(value, str) else _WRONG


def _int(value: object, inner: Members, where: str) -> object:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    fits = isinstance(value, int) and not isinstance(value, bool) and -_I64 <= value < _I64
    return value if fits else _WRONG


def _bool(value: object, inner: Members, where: str) -> object:
    return value if isinstance(value, bool) else _WRONG


def _strings(value: object, inner: Members, where: str) -> object:
    if isinstance(value, str) and where in _ONE_OR_MORE:
        return [value]
    return list(value) if isinstance(value, list) and all(isinstance(item, str) for item in value) else _WRONG


def _word_lists(value: object, inner: Members, where: str) -> object:
    if not isinstance(value, list) or not all(isinstance(item, list) for item in value):
        return _WRONG
    return [convert(Field("strings"), item, f"{where}[{index}]") for index, item in enumerate(value)]


def _map(value: object, inner: Members, where: str) -> object:
    return dict(value) if isinstance(value, dict) and all(isinstance(one, str) for one in value.values()) else _WRONG


def _sets(value: object, inner: Members, where: str) -> object:
    return {key: {} for key in value} if isinstance(value, dict) else _WRONG


def _object(value: object, inner: Members, where: str) -> object:
    if not isinstance(value, dict):
        return _WRONG
    return value if inner is None else checked(inner, value, where)


def _objects(value: object, inner: Members, where: str) -> object:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        return _WRONG
    return value if inner is None else [checked(inner, one, f"{where}[{index}]") for index, one in enumerate(value)]


def _map_of_objects(value: object, inner: Members, where: str) -> object:
    """Of lists of objects, that is; null is as good as an empty list."""
    if not isinstance(value, dict):
        return _WRONG
    entries = Field("objects", members=inner)
    return {key: None if one is None else convert(entries, one, f"{where}[{key}]") for key, one in value.items()}


def _ints(value: object, inner: Members, where: str) -> object:
    return value if isinstance(value, list) and all(isinstance(item, int) for item in value) else _WRONG


_READERS: Mapping[Kind, Callable[[object, Members, str], object]] = {
    "string": _string, "int": _int, "int?": _int, "bool": _bool, "bool?": _bool, "strings": _strings, "word lists": _word_lists,
    "map": _map, "sets": _sets, "object": _object, "objects": _objects, "map of objects": _map_of_objects, "ints": _ints,
    "any": lambda value, inner, where: value,
}  # fmt: skip
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
    """Untrusted JSON. As in Go's decoder half a surrogate pair is U+FFFD, and NaN and Infinity are no JSON; a NUL, which
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


def name_matches(name: str, pattern: str) -> bool:
    """A filter's name: an expression found anywhere in ``name``, as in Docker, or the name itself. What is no expression
    matches nothing else."""
    if not _SPECIAL.intersection(pattern):
        return pattern in name
    try:
        return name == pattern or patterns.compiled(pattern).search(name) is not None
    except ValueError:
        return False
