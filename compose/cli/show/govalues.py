"""Values in Go templates: what is absent, how each kind is printed, and the functions of templates and of the docker CLI."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from . import legible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NO_VALUE = "<no value>"


class TemplateError(ValueError):
    """The template does not parse, or asks for something impossible."""


class Nil:
    """A null whose type is known to be a list or a map: prints as an empty one, is null in JSON."""

    def __init__(self, shown: str) -> None:
        self.shown = shown

    def __bool__(self) -> bool:
        return False

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[object]:
        return iter(())


class _Missing:
    """What a field is that is not there."""

    def __bool__(self) -> bool:
        return False


MISSING = _Missing()


def unknown(name: str, is_missing: bool) -> object:
    """The value of a null or missing field where nothing is known of it."""
    return MISSING if is_missing else None


def show(value: object) -> str:
    """As Go's ``{{.}}`` prints it."""
    if value is MISSING:
        return NO_VALUE
    if value is None:
        return "<nil>"
    if isinstance(value, Nil):
        return value.shown
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict) and type(value).__str__ is dict.__str__:
        return "map[" + " ".join(f"{key}:{show(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, (list, tuple)):
        return "[" + " ".join(show(item) for item in value) + "]"
    return str(value)


def plain(value: object) -> object:
    """As Go writes it: the keys of maps sorted, the fields of objects, which begin with capitals, in their order."""
    if isinstance(value, dict):
        keys = [key for key, one in value.items() if not callable(one) and not str(key).startswith("_")]
        if not all(str(key)[:1].isupper() for key in keys):
            keys.sort()
        return {key: plain(value[key]) for key in keys}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return None if value is MISSING or isinstance(value, Nil) else value


def _print(*values: object) -> str:
    """Operands side by side; a space between two of which neither is a string."""
    text = ""
    for index, value in enumerate(values):
        apart = index > 0 and not isinstance(value, str) and not isinstance(values[index - 1], str)
        text += (" " if apart else "") + show(value)
    return text


def _index(value: object, *keys: object) -> object:
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key, "")
        elif isinstance(value, (list, str)):
            if not isinstance(key, int) or not 0 <= key < len(value):
                raise TemplateError(f"error calling index: index out of range or no number: {show(key)}")
            value = value[key]
        else:
            raise TemplateError("index of untyped nil")
    return value


def _printf(form: str, *values: object) -> str:
    queue = list(values)

    def one(match: re.Match[str]) -> str:
        if match[2] == "%":
            return "%"
        value = queue.pop(0) if queue else ""
        verb = match[2]
        if verb == "q":
            return json.dumps(str(value))
        if verb == "v":
            return f"%{match[1]}s" % show(value)
        return f"%{match[1]}{verb}" % value

    return re.sub(r"%([-+ 0#]*\d*(?:\.\d+)?)([vsdqxfgt%])", one, form)


def _and(*values: object) -> object:
    for value in values:
        if not value:
            return value
    return values[-1]


def _or(*values: object) -> object:
    for value in values:
        if value:
            return value
    return values[-1]


def _truncate(text: str, length: int) -> str:
    return text[:length]


FUNCTIONS: dict[str, Callable[..., object]] = {
    "json": lambda value: legible.json(json.dumps(plain(value), separators=(",", ":"), ensure_ascii=False)),
    "upper": lambda value: str(value).upper(),
    "lower": lambda value: str(value).lower(),
    "title": lambda value: str(value).title(),
    "join": lambda values, separator: separator.join(show(item) for item in values),
    "split": lambda text, separator: str(text).split(separator),
    "truncate": _truncate,
    "pad": lambda text, before, after: " " * before + str(text) + " " * after,
    "len": len,
    "index": _index,
    "slice": lambda value, first=0, last=None: value[first:last],
    "print": _print,
    "println": lambda *values: " ".join(show(item) for item in values) + "\n",
    "printf": _printf,
    "eq": lambda value, *others: any(value == other for other in others),
    "ne": lambda value, other: value != other,
    "lt": lambda value, other: value < other,
    "le": lambda value, other: value <= other,
    "gt": lambda value, other: value > other,
    "ge": lambda value, other: value >= other,
    "and": _and,
    "or": _or,
    "not": lambda value: not value,
}
