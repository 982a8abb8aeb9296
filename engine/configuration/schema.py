"""The part of JSON Schema that schemas/engine.schema.json uses, applied to values that know their place.

Written out here because a complete validator would cost the engine more memory than the rest of its configuration is
worth; a test holds it to the verdicts of jsonschema.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .document import Value


class Schema(TypedDict, total=False):
    """The keywords of JSON Schema that are understood."""

    type: str | list[str]
    minItems: int
    items: Schema
    properties: dict[str, Schema]
    patternProperties: dict[str, Schema]
    additionalProperties: bool | Schema
    required: list[str]
    enum: list[str]
    minLength: int
    pattern: str
    minimum: int
    maximum: int


Fault = tuple[int, int, str]
"""Line, column, message."""

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
}
_WORDS = {"object": "a mapping", "array": "a list", "string": "a string", "integer": "a whole number", "boolean": "true or false"}  # fmt: skip


def faults(value: Value, schema: Schema, path: str = "") -> Iterator[Fault]:
    """Everything in ``value`` that ``schema`` refuses, in the order of the file."""
    here = f"{path}: " if path else ""
    wanted = schema.get("type", ())
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    if names and not any(_is(value.content, name) for name in names):
        yield value.line, value.column, f"{here}must be {' or '.join(_WORDS[name] for name in names)}"
    elif isinstance(value.content, dict):
        yield from _members(value, value.content, schema, path)
    elif isinstance(value.content, list):
        if len(value.content) < schema.get("minItems", 0):
            yield value.line, value.column, f"{here}must not be empty"
        for index, item in enumerate(value.content):
            yield from faults(item, schema.get("items", {}), f"{path}[{index}]")
    elif problem := _scalar(value.content, schema):
        yield value.line, value.column, f"{here}{problem}"


def _is(content: object, name: str) -> bool:
    return isinstance(content, _TYPES[name]) and (name == "boolean" or not isinstance(content, bool))


def _members(value: Value, members: Mapping[str, Value], schema: Schema, path: str) -> Iterator[Fault]:
    known = schema.get("properties", {})
    patterns = schema.get("patternProperties", {})
    other = schema.get("additionalProperties", True)
    places = value.keys or {}
    for name in schema.get("required", ()):
        if name not in members:
            yield value.line, value.column, f"{f'{path}: ' if path else ''}{name} is missing"
    for name, item in members.items():
        below = f"{path}.{name}" if path else name
        rule = known.get(name) or next((patterns[text] for text in patterns if re.search(text, name)), other)
        if rule is False:
            near = difflib.get_close_matches(name, known, 1)
            yield *places[name], f"{below}: unknown key" + (f"; did you mean {near[0]}?" if near else "")
        elif rule is not True:
            yield from faults(item, rule, below)


def _scalar(content: object, schema: Schema) -> str:
    if "enum" in schema and content not in schema["enum"]:
        return f"must be one of {', '.join(map(str, schema['enum']))}"
    if isinstance(content, str):
        if len(content) < schema.get("minLength", 0):
            return "must not be empty"
        if "pattern" in schema and not re.search(schema["pattern"], content):
            return f"{content!r} is not of the form that is wanted here"
    elif isinstance(content, int):
        low, high = schema.get("minimum"), schema.get("maximum")
        if low is not None and content < low:
            return f"must not be less than {low}"
        if high is not None and content > high:
            return f"must not be more than {high}"
    return ""
