"""The published documents of the Docker Engine API (moby's api/docs/v*.yaml, Apache-2.0), reduced to names and types.

    python tests/support/api_documents.py DIRECTORY_OF_YAML > tests/data/engine_api.json

makes the reduced form anew. Schemas that do not change from one version to the next are kept once. ``Document`` is one version's:
it says where a body or an answer is not as published.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DATA = Path(__file__).parents[1] / "data" / "engine_api.json"
_KEPT = ("type", "required", "enum", "x-nullable", "$ref")
_KINDS: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}

_EMPTY: Mapping[str, Any] = {"string": "", "integer": 0, "number": 0, "boolean": False, "object": {}, "array": []}
_OTHER: Mapping[str, Any] = {
    "string": 7,
    "integer": "x",
    "number": "x",
    "boolean": "x",
    "object": [],
    "array": {"x": 1},
}


# reducing ----------------------------------------------------------------------------------------------------------------
def reduced(node: Any) -> Any:
    """A schema's names and types."""
    if not isinstance(node, dict):
        return {}
    result = {name: node[name] for name in _KEPT if name in node}
    if "$ref" in result:
        result["$ref"] = result["$ref"].removeprefix("#/definitions/")
    if isinstance(result.get("required"), bool):
        del result["required"]
    if isinstance(node.get("properties"), dict):
        result["properties"] = {name: reduced(one) for name, one in node["properties"].items()}
    for name in ("items", "additionalProperties"):
        if isinstance(node.get(name), dict):
            result[name] = reduced(node[name])
    if "allOf" in node:
        result["allOf"] = [reduced(one) for one in node["allOf"]]
    return result


def reduce_documents(directory: Path) -> dict[str, Any]:
    """``{"schemas": [...], "versions": {version: {"definitions": {name: index}, "calls": {"GET /path": {...}}}}}``."""
    import yaml

    schemas: list[str] = []
    index: dict[str, int] = {}

    def place(schema: Any) -> int:
        text = json.dumps(schema, sort_keys=True, separators=(",", ":"))
        if text not in index:
            index[text] = len(schemas)
            schemas.append(text)
        return index[text]

    versions: dict[str, Any] = {}
    for path in sorted(directory.glob("v1.*.yaml"), key=lambda one: int(one.stem.partition(".")[2])):
        document = yaml.load(path.read_text(), yaml.CSafeLoader)
        calls: dict[str, Any] = {}
        for route, verbs in document["paths"].items():
            for verb, call in verbs.items():
                answers = {
                    code: place(reduced(answer["schema"]))
                    for code, answer in call.get("responses", {}).items()
                    if str(code).startswith("2") and "schema" in answer
                }
                parameters = call.get("parameters") or []
                body = next((one["schema"] for one in parameters if one["in"] == "body"), None)
                query = sorted(one["name"] for one in parameters if one["in"] == "query")
                calls[f"{verb.upper()} {route}"] = {"answers": answers, "query": query} | (
                    {} if body is None else {"body": place(reduced(body))}
                )
        definitions = {name: place(reduced(one)) for name, one in document["definitions"].items()}
        versions[path.stem.removeprefix("v")] = {"definitions": definitions, "calls": calls}
    return {"schemas": [json.loads(one) for one in schemas], "versions": versions}


# comparing ---------------------------------------------------------------------------------------------------------------
@cache
def _data() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_DATA.read_text())
    return found


def versions() -> list[str]:
    return list(_data()["versions"])


@dataclass(frozen=True)
class Document:
    """One version's document."""

    version: str

    @property
    def calls(self) -> dict[str, Any]:
        found: dict[str, Any] = _data()["versions"][self.version]["calls"]
        return found

    def answer(self, call: str, value: Any, code: str = "200") -> list[str]:
        """Where an answer is not as published."""
        return list(self._differs(_data()["schemas"][self.calls[call]["answers"][code]], value, ""))

    def body(self, call: str) -> dict[str, Any]:
        """The members of a request's body, by name."""
        return self.members(_data()["schemas"][self.calls[call]["body"]])

    def values(self, call: str) -> Iterator[tuple[str, Any, Any]]:
        """For each member of a request's body, at any depth: its path, a body with an empty value of its kind there, and one with
        a value of another kind."""
        for path, right, wrong in self._values(_data()["schemas"][self.calls[call]["body"]], 4):
            if path:
                yield path, right, wrong

    def _values(self, schema: Mapping[str, Any], depth: int) -> Iterator[tuple[str, Any, Any]]:
        schema = self._resolved(schema)
        kind = schema.get("type", "object" if "properties" in schema or "allOf" in schema else "")
        kind = kind[0] if isinstance(kind, list) else kind
        if kind not in _EMPTY:
            return
        yield "", schema["enum"][0] if "enum" in schema else _EMPTY[kind], _OTHER[kind]
        if not depth:
            return
        parts = [(f".{name}", {name: one}) for name, one in self.members(schema).items()] if kind == "object" else []
        if kind == "array" and "items" in schema:
            parts = [("[0]", {"": schema["items"]})]
        elif kind == "object" and not parts and schema.get("additionalProperties"):
            parts = [(".x", {"x": schema["additionalProperties"]})]
        for name, part in parts:
            ((key, inner),) = part.items()
            for path, right, wrong in self._values(inner, depth - 1):
                if kind == "array":
                    yield f"{name}{path}", [right], [wrong]
                else:
                    yield f"{name}{path}", {key: right}, {key: wrong}

    def members(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        schema = self._resolved(schema)
        found = dict(schema.get("properties") or {})
        for part in schema.get("allOf") or ():
            found |= self.members(part)
        return found

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in schema or (len(schema.get("allOf") or ()) == 1 and "properties" not in schema):
            if "$ref" in schema:
                schema = _data()["schemas"][_data()["versions"][self.version]["definitions"][schema["$ref"]]]
            else:
                schema = schema["allOf"][0]
        return schema

    def _required(self, schema: Mapping[str, Any]) -> set[str]:
        schema = self._resolved(schema)
        return {*(schema.get("required") or ()), *(n for one in schema.get("allOf") or () for n in self._required(one))}

    def _differs(self, schema: Mapping[str, Any], value: Any, path: str) -> Iterator[str]:
        nullable = schema.get("x-nullable", False)
        schema = self._resolved(schema)
        if value is None:
            # Go's lists and maps are null when there are none, and so are pointers: documents say it of few of them.
            if schema.get("type") in ("string", "integer", "number", "boolean") and not (
                nullable or schema.get("x-nullable")
            ):
                yield f"{path}: null, not {schema['type']}"
            return
        kind = schema.get("type", "object" if "properties" in schema or "allOf" in schema else "")
        kind = kind[0] if isinstance(kind, list) else kind
        if kind and not (isinstance(value, _KINDS[kind]) and (kind == "boolean") == isinstance(value, bool)):
            yield f"{path}: {json.dumps(value)[:60]}, not {kind}"
            return
        if "enum" in schema and value not in schema["enum"]:
            yield f"{path}: {value!r} is none of {schema['enum']}"
        if isinstance(value, list):
            for position, item in enumerate(value):
                yield from self._differs(schema.get("items") or {}, item, f"{path}[{position}]")
        elif isinstance(value, dict):
            members = self.members(schema)
            others = schema.get("additionalProperties")
            for name, item in value.items():
                if name in members:
                    yield from self._differs(members[name], item, f"{path}.{name}")
                elif others is not None:
                    yield from self._differs(others, item, f"{path}.{name}")
                elif members:
                    yield f"{path}.{name}: no such field"
            for name in self._required(schema) - value.keys():
                yield f"{path}.{name}: missing"


if __name__ == "__main__":
    json.dump(reduce_documents(Path(sys.argv[1])), sys.stdout, separators=(",", ":"), sort_keys=True)
