"""Validation of a merged tree against the JSON Schemas in schemas/.

Two readers of the same schemas: a predicate compiled from them, which is all that a sound file costs, and for a file that
fails it jsonschema, which is imported only then and whose errors become diagnostics with places and suggestions. A test
holds the two to the same verdicts.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, NamedTuple, TypedDict, cast

from ..errors import Diagnostic, LoadError, Path, dotted
from .binder import kind
from .scalars import Timestamp
from .suggest import nearest
from .tree import Map, diagnostic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from jsonschema.exceptions import ValidationError

    Schema = TypedDict(
        "Schema",
        {
            "$ref": str,
            "$schema": str,
            "default": bool | int | str,
            "description": str,
            "additionalProperties": bool,
            "enum": list[str],
            "items": "Schema",
            "maximum": float,
            "minimum": float,
            "oneOf": list["Schema"],
            "pattern": str,
            "patternProperties": dict[str, "Schema"],
            "properties": dict[str, "Schema"],
            "required": list[str],
            "type": str | list[str],
            "uniqueItems": bool,
        },
        total=False,
    )
    """What the schemas here use of JSON Schema (draft 2020-12)."""

    Predicate = Callable[[object], bool]

MAX_DIAGNOSTICS = 50


def check(tree: Map, file: str) -> None:
    """Raise `LoadError` with everything in ``tree`` that the schema refuses."""
    if not predicate("compose.json")(tree):
        found = list(explain(tree))[:MAX_DIAGNOSTICS]
        raise LoadError(found or Diagnostic(f"{file} does not follow the Compose Specification"))


def directory() -> FilePath:
    """Where the schemas are."""
    return FilePath(__file__).parents[2] / "schemas"


@cache
def document(name: str) -> Schema:
    """One schema file."""
    return cast("Schema", json.loads((directory() / name).read_text(encoding="utf-8")))


def follow(reference: str, home: str) -> tuple[Schema, str]:
    """The schema that ``$ref`` means, and the file it stands in. Raises KeyError."""
    name, _, fragment = reference.partition("#")
    name = name or home
    node: object = document(name)
    for part in fragment.strip("/").split("/") if fragment else ():
        node = node[part] if isinstance(node, dict) else None
    return cast("Schema", node), name


# The predicate ---------------------------------------------------------------------------------------------------------


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_integer(value: object) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())


def _is_string(value: object) -> bool:
    return isinstance(value, (str, Timestamp))


_TYPES: dict[str, Predicate] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": _is_string,
    "number": _is_number,
    "integer": _is_integer,
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}
_EXACT: dict[str, tuple[type, ...]] = {
    "object": (dict, Map),
    "array": (list,),
    "string": (str, Timestamp),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


@cache
def predicate(reference: str) -> Predicate:
    """The compiled form of the schema that ``reference`` names, such as ``service.json#/$defs/service``."""
    compiled: list[Predicate] = []

    def late(value: object) -> bool:
        if not compiled:
            schema, home = follow(reference, "")
            compiled.append(_compile(schema, home))
        return compiled[0](value)

    return late


def _compile(schema: Schema, home: str) -> Predicate:
    tests: list[Predicate] = []
    types = schema.get("type")
    if types is not None:
        tests.append(_type_test([types] if isinstance(types, str) else types))
    if "$ref" in schema:
        name, _, fragment = schema["$ref"].partition("#")
        tests.append(predicate(f"{name or home}#{fragment}"))
    if "enum" in schema:
        allowed = frozenset(schema["enum"])
        tests.append(lambda value: not isinstance(value, str) or value in allowed)
    if "pattern" in schema:
        search = re.compile(schema["pattern"]).search
        tests.append(lambda value: not isinstance(value, str) or search(value) is not None)
    if "minimum" in schema or "maximum" in schema:
        low, high = schema.get("minimum", float("-inf")), schema.get("maximum", float("inf"))
        tests.append(lambda value: not isinstance(value, (int, float)) or _is_flag(value) or low <= value <= high)
    if "oneOf" in schema:
        tests.append(_one_of([_compile(branch, home) for branch in schema["oneOf"]]))
    if "items" in schema:
        tests.append(_items_test(_compile(schema["items"], home)))
    if schema.get("uniqueItems"):
        tests.append(_unique)
    if "required" in schema:
        required = schema["required"]
        tests.append(lambda value: not isinstance(value, dict) or all(key in value for key in required))
    if "properties" in schema or "patternProperties" in schema:
        tests.append(_object_test(schema, home))
    if not tests:
        return lambda value: True
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        first, second = tests
        return lambda value: first(value) and second(value)
    return lambda value: all(test(value) for test in tests)


def _type_test(types: list[str]) -> Predicate:
    if "integer" in types:
        tests = [_TYPES[name] for name in types]
        return lambda value: any(test(value) for test in tests)
    if types == ["array"]:
        return _TYPES["array"]
    if types == ["object"]:
        return _TYPES["object"]
    exact = frozenset(item for name in types for item in _EXACT[name])
    tests = [_TYPES[name] for name in types]
    return lambda value: type(value) in exact or any(test(value) for test in tests)


def _one_of(branches: list[Predicate]) -> Predicate:
    def test(value: object) -> bool:
        matched = False
        for branch in branches:
            if branch(value):
                if matched:
                    return False
                matched = True
        return matched

    return test


def _items_test(item: Predicate) -> Predicate:
    def test(value: object) -> bool:
        return not isinstance(value, list) or all(map(item, value))

    return test


def _key(value: object) -> object:
    """Something hashable that is equal exactly when JSON values are."""
    if isinstance(value, dict):
        return tuple(sorted((key, _key(item)) for key, item in value.items()))
    if isinstance(value, list):
        return ("list", *map(_key, value))
    return (value is True or value is False, str(value) if isinstance(value, Timestamp) else value)


def _unique(value: object) -> bool:
    if not isinstance(value, list) or len(value) < 2:
        return True
    if all(type(item) is str for item in value):
        return len(set(value)) == len(value)
    seen = [repr(_key(item)) for item in value]
    return len(set(seen)) == len(seen)


def _object_test(schema: Schema, home: str) -> Predicate:
    properties = {key: _compile(item, home) for key, item in schema.get("properties", {}).items()}
    patterns = [
        (re.compile(key).search, _compile(item, home)) for key, item in schema.get("patternProperties", {}).items()
    ]
    closed = schema.get("additionalProperties") is False

    def test(value: object) -> bool:
        if not isinstance(value, dict):
            return True
        for key, item in value.items():
            known = properties.get(key)
            if known is not None:
                if not known(item):
                    return False
                if not key.startswith("x-"):
                    continue
            matched = known is not None
            for search, below in patterns:
                if search(key):
                    matched = True
                    if not below(item):
                        return False
            if closed and not matched:
                return False
        return True

    return test


# The explanation -------------------------------------------------------------------------------------------------------


def explain(tree: Map) -> Iterator[Diagnostic]:
    """What jsonschema finds wrong, in the user's terms."""
    import jsonschema
    from referencing import Registry, Resource

    names = sorted(path.name for path in directory().glob("*.json") if "$schema" in document(path.name))
    documents = {name: cast("Mapping[str, object]", document(name)) for name in names}
    registry = Registry().with_resources((name, Resource.from_contents(one)) for name, one in documents.items())
    validator = jsonschema.Draft202012Validator(documents["compose.json"], registry=registry)
    seen: set[tuple[Path, str]] = set()
    for error in validator.iter_errors(_jsonable(tree)):
        for leaf, path in _leaves(error, ()):
            for finding in _describe(leaf, path, tree):
                if (finding.path, finding.message) not in seen:
                    seen.add((finding.path, finding.message))
                    yield finding


def _jsonable(value: object) -> object:
    if isinstance(value, dict):
        return {key: _jsonable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_jsonable(item) for item in value]
    return str(value) if isinstance(value, Timestamp) else value


def _leaves(error: ValidationError, above: Path) -> Iterator[tuple[ValidationError, Path]]:
    """The errors that say most: inside the alternative of a oneOf whose type the value has."""
    path: Path = (*above, *error.relative_path)
    if error.validator != "oneOf" or not error.context:
        yield error, path
        return
    branches: dict[int, list[ValidationError]] = {}
    for below in error.context:
        branches.setdefault(int(below.relative_schema_path[0]), []).append(below)
    fitting = [
        errors for errors in branches.values() if not any(e.validator == "type" and not e.relative_path for e in errors)
    ]
    fitting = [errors for errors in fitting if not any(_wrong_type_behind_ref(e) for e in errors)] or fitting
    if len(fitting) != 1:
        yield error, path
        return
    for below in fitting[0]:
        yield from _leaves(below, path)


def _wrong_type_behind_ref(error: ValidationError) -> bool:
    return error.validator == "oneOf" and not error.relative_path


_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "a string",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "a boolean",
    "null": "null",
}


def _expected(schema: Schema, home: str = "service.json", depth: int = 0) -> list[str]:
    """The kinds of value a schema takes."""
    if depth > 4:
        return []
    if "type" in schema:
        types = schema["type"]
        return [_WORDS[name] for name in ([types] if isinstance(types, str) else types)]
    if "$ref" in schema:
        name = schema["$ref"].partition("#")[0]
        if name:
            target, home = follow(schema["$ref"], home)
            return _expected(target, home, depth + 1)
        for candidate in ("common.json",):
            try:
                target, home = follow(schema["$ref"], candidate)
            except KeyError:
                continue
            return _expected(target, home, depth + 1)
    return [word for branch in schema.get("oneOf", ()) for word in _expected(branch, home, depth + 1)]


def _listed(words: list[str]) -> str:
    unique = list(dict.fromkeys(words))
    return " or ".join([", ".join(unique[:-1]), unique[-1]] if len(unique) > 1 else unique)


def _describe(error: ValidationError, path: Path, tree: Map) -> Iterator[Diagnostic]:
    """What is wrong with the value at ``path``, and what would be right."""
    schema = cast("Schema", error.schema if isinstance(error.schema, dict) else {})
    at = _At(tree, path, dotted(path) or "the file", error.instance)
    if error.validator == "additionalProperties":
        yield from _unknown_keys(at, schema)
    elif error.validator == "type":
        message = f"{at.name} must be {_listed(_expected(schema))}, not {kind(at.value)}"
        seconds = bool(path) and path[-1] in _DURATIONS and isinstance(at.value, int)
        yield diagnostic(tree, path, message, f'a duration such as "{at.value}s"' if seconds else "")
    elif error.validator == "enum":
        allowed = [str(item) for item in schema["enum"]]
        hint = nearest(str(at.value), allowed)
        yield diagnostic(tree, path, f"{at.name} must be one of {', '.join(allowed)}, not {at.value!r}", hint)
    elif error.validator == "uniqueItems" and isinstance(at.value, list):
        yield _repeated(at, at.value)
    else:
        words = _wrong(error, at, schema)
        yield diagnostic(tree, path, f"{at.name} {words}" if words else f"{at.name}: {error.message}")


class _At(NamedTuple):
    """A value of the tree that the schema refuses, and how its place is named."""

    tree: Map
    path: Path
    name: str
    value: object


def _wrong(error: ValidationError, at: _At, schema: Schema) -> str:
    """What a value must be, and is not; empty for a rule that no schema here has."""
    if error.validator == "oneOf":
        words = _listed(_expected(schema))
        return f"must be {words}, not {kind(at.value)}" if words else "has a value of the wrong form"
    if error.validator == "required":
        given = at.value if isinstance(at.value, dict) else {}
        return f"needs {_listed([f'`{key}`' for key in schema['required'] if key not in given])}"
    if error.validator == "pattern":
        return f"has an invalid value {at.value!r}"
    if error.validator == "minimum":
        return f"must be at least {schema['minimum']}, not {at.value}"
    if error.validator == "maximum":
        return f"must be at most {schema['maximum']}, not {at.value}"
    return ""


def _unknown_keys(at: _At, schema: Schema) -> Iterator[Diagnostic]:
    known = list(schema.get("properties", ()))
    patterns = [re.compile(pattern) for pattern in schema.get("patternProperties", {})]
    for key in at.value if isinstance(at.value, dict) else ():
        if key not in known and not any(pattern.search(key) for pattern in patterns):
            yield _unknown((*at.path, key), key, known, at.tree)


def _repeated(at: _At, items: list[object]) -> Diagnostic:
    repeated = next((item for index, item in enumerate(items) if item in items[:index]), None)
    last = len(items) - 1 - items[::-1].index(repeated) if repeated is not None else 0
    return diagnostic(at.tree, (*at.path, last), f"{at.name} holds {repeated!r} more than once")


_DURATIONS = frozenset(
    ("delay", "interval", "monitor", "start_interval", "start_period", "stop_grace_period", "timeout", "window")
)
_SECTIONS_OF_NAMES = ("services", "networks", "volumes", "secrets", "configs", "models")


def _unknown(path: Path, key: str, known: list[str], tree: Map) -> Diagnostic:
    if not known:
        hint = "names hold letters, digits, dots, dashes and underscores"
        return diagnostic(tree, path, f"{dotted(path)} is not a valid name", hint)
    place = " at the top level" if len(path) == 1 else ""
    hint = nearest(key, known)
    if not hint and len(path) == 1:
        value = tree.get(key)
        if isinstance(value, dict) and ("image" in value or "build" in value):
            hint = "services go below `services:`"
    if not hint and len(path) == 3 and key in _SECTIONS_OF_NAMES:
        hint = f"`{key}` goes to the top level; check the indentation"
    return diagnostic(tree, path, f"unknown key {dotted(path)}{place}", hint)
