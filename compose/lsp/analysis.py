"""A Compose file as an editor holds it, loaded as `config` loads it: findings, the project, explanations, and keys by schema."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from ..errors import ComposeError, Diagnostic, LoadError
from ..load import pipeline, schema
from ..load.explain import explain
from .homes import options_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..load.explain import Explanation
    from ..load.schema import Schema
    from ..model import Project


class Finding(NamedTuple):
    diagnostic: Diagnostic
    is_error: bool


class Analysis(NamedTuple):
    """``project`` is None when there are errors."""

    project: Project | None
    findings: tuple[Finding, ...]


def analyse(path: str, texts: Mapping[str, bytes], environment: Mapping[str, str]) -> Analysis:
    """The findings of `config` for the project that ``path`` is part of."""
    options = options_for(path, environment, texts)
    try:
        project = pipeline.load_project(options, texts=texts)
    except LoadError as error:
        return Analysis(None, tuple(Finding(one, True) for one in error.diagnostics))
    except ComposeError as error:
        return Analysis(None, (Finding(Diagnostic(str(error)), True),))
    return Analysis(project, tuple(Finding(one, False) for one in project.warnings))


def explained(
    path: str, key: tuple[str | int, ...], texts: Mapping[str, bytes], environment: Mapping[str, str]
) -> Explanation | None:
    """Where the value at ``key`` comes from; None for what cannot be told, such as in a file with errors."""
    try:
        return explain(replace(options_for(path, environment, texts), consistency=False), key, texts)
    except ComposeError:
        return None


def variables(path: str, texts: Mapping[str, bytes], environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that the project's files can use: the environment and its env files. Name -> where it comes from."""
    try:
        _, found = pipeline.open_loader(options_for(path, environment, texts), texts)
    except ComposeError:
        return dict.fromkeys(environment, "environment")
    return {name: found.origins.get(name, "environment") for name in dict(found.environment)}


class Key(NamedTuple):
    """A key that the specification has at some place."""

    name: str
    description: str
    values: tuple[str, ...]


def keys_at(path: tuple[str | int, ...]) -> list[Key]:
    """The keys of the mapping at ``path``."""
    found: dict[str, Key] = {}
    for node, home in _nodes(path):
        for name, child in (node.get("properties") or {}).items():
            target: Schema = schema.follow(child["$ref"], home)[0] if "$ref" in child else child
            words = child.get("description") or target.get("description") or ""
            default = child.get("default", target.get("default"))
            if default is not None:
                words = f"{words} Default: {json.dumps(default, ensure_ascii=False)}.".lstrip()
            values = tuple(str(one) for one in target.get("enum") or ())
            found.setdefault(name, Key(name, words, values))
    return sorted(found.values())


def key_of(path: tuple[str | int, ...]) -> Key | None:
    """The key that ``path`` ends with."""
    return next((one for one in keys_at(path[:-1]) if one.name == path[-1]), None) if path else None


def _nodes(path: tuple[str | int, ...]) -> list[tuple[Schema, str]]:
    """The schemas that apply to the value at ``path``: several where it may have several forms."""
    here = _forms(schema.document("compose.json"), "compose.json")
    for part in path:
        below: list[tuple[Schema, str]] = []
        for node, home in here:
            if isinstance(part, int):
                children = [node["items"]] if "items" in node else []
            else:
                own = (node.get("properties") or {}).get(part)
                patterns = [
                    child for name, child in (node.get("patternProperties") or {}).items() if not name.startswith("^x-")
                ]
                children = [own] if own is not None else patterns
            for child in children:
                below += _forms(child, home)
        here = below
    return here


def _forms(node: Schema, home: str, depth: int = 0) -> list[tuple[Schema, str]]:
    if "$ref" in node and depth < 8:
        target, home = schema.follow(node["$ref"], home)
        return _forms(target, home, depth + 1)
    return [(node, home), *(form for one in node.get("oneOf", ()) for form in _forms(one, home, depth + 1))]
