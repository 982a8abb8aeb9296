"""Compose files for every key that the schemas admit, each with the key at one value and what must stand beside it."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from pycompose.compose.load import schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Wrap = Callable[[Any], dict[str, Any]]

Path = tuple[str, ...]


@cache
def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((schema.directory() / name).read_text())
    return found


def resolve(node: dict[str, Any], file: str) -> tuple[dict[str, Any], str]:
    while "$ref" in node:
        name, _, pointer = node["$ref"].partition("#")
        file = name or file
        node = document(file)
        for part in pointer.strip("/").split("/"):
            node = node[part]
    return node, file


def keys() -> Iterator[tuple[Path, Wrap]]:
    """Every key with the function that makes a file of a value for it. Lists and names of the user's choice are ``*``."""
    yield from _walk(document("compose.json"), "compose.json", (), lambda value: value, frozenset())


def _walk(
    node: dict[str, Any], file: str, path: Path, wrap: Callable[[Any], Any], above: frozenset[int]
) -> Iterator[tuple[Path, Wrap]]:
    node, file = resolve(node, file)
    if id(node) in above or path[:1] in (("include",), ("version",)):
        return
    above |= {id(node)}
    if path:
        yield path, wrap
    for one in (*node.get("oneOf", ()), *node.get("anyOf", ()), *node.get("allOf", ())):
        yield from _walk(one, file, path, wrap, above)
    needed = {name: _minimal(node["properties"][name], file) for name in node.get("required", ())}
    for name, child in node.get("properties", {}).items():
        yield from _walk(child, file, (*path, name), _put(wrap, needed, name), above)
    for child in (*node.get("patternProperties", {}).values(), node.get("additionalProperties")):
        if isinstance(child, dict):
            yield from _walk(child, file, (*path, "*"), _put(wrap, needed, "k"), above)
    if isinstance(node.get("items"), dict):
        yield from _walk(node["items"], file, (*path, "*"), lambda value: wrap([value]), above)


def _put(wrap: Callable[[Any], Any], beside: dict[str, Any], name: str) -> Callable[[Any], Any]:
    return lambda value: wrap({**beside, name: value})


def _minimal(node: dict[str, Any], file: str) -> Any:
    node, file = resolve(node, file)
    for one in (*node.get("oneOf", ()), *node.get("anyOf", ())):
        return _minimal(one, file)
    kind = node.get("type", "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: _minimal(node["properties"][name], file) for name in node.get("required", ())}
    return {"array": [], "integer": 1, "number": 1, "boolean": True, "null": None}.get(kind, node.get("enum", ["x"])[0])
