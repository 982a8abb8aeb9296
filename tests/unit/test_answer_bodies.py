"""What an engine's answers are said to be is what is checked where they arrive: types and table are compared field by field."""

from __future__ import annotations

import ast
import builtins
import importlib
import types
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

import pytest

from pycompose.compose.client import (
    answers,
    containers,
    execs,
    images,
    jobs,
    leases,
    networks,
    snapshots,
    swarm,
    system,
    volumes,
)
from pycompose.compose.client.answers import Shape
from pycompose.compose.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator

NOUNS = (containers, execs, images, jobs, leases, networks, snapshots, swarm, system, volumes)
KINDS = {str: "string", int: "number", float: "number", bool: "bool"}


@cache
def names(module: types.ModuleType) -> dict[str, Any]:
    """A module's names with those that it imports from `bodies` for type checkers only."""
    space: dict[str, Any] = {**vars(module), "builtins": builtins}
    package = module.__name__.rpartition(".")[0]
    for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 1 and ("bodies" in f"{package}.{node.module}"):
            source = importlib.import_module(f".{node.module}", package)
            for one in node.names:
                found = getattr(source, one.name, None) or importlib.import_module(f"{source.__name__}.{one.name}")
                space[one.asname or one.name] = found
    return space


def shapes() -> Iterator[Any]:
    """Every shape of the client with the type that it gives to an answer."""
    for noun in NOUNS:
        for name, text in noun.__annotations__.items():
            if isinstance(getattr(noun, name), Shape):
                (kind,) = get_args(eval(text, names(noun)))
                yield pytest.param(getattr(noun, name), kind, id=f"{noun.__name__.rpartition('.')[2]}.{name}")


def choices(kind: Any) -> list[Any]:
    """The members of a union, without None, which every field may be."""
    members = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    return [one for one in members if one is not type(None)]


def words(kind: Any) -> set[str]:
    """The table's kinds that say what the type says of a value."""
    found = set()
    for one in choices(kind):
        arguments = get_args(one)
        if one in KINDS:
            found.add(KINDS[one])
        elif get_origin(one) is list:
            inner = arguments[0]
            known = {str: "strings", int: "numbers", float: "numbers"}.get(inner, "objects")
            found.add("lists" if get_origin(inner) is list else known)
        else:
            found.add("texts" if arguments == (str, str) else "object")
    return found


def hints(body: Any) -> dict[str, Any]:
    return get_type_hints(body, localns=names(importlib.import_module(body.__module__)))


def bodies_in(kind: Any, known: dict[Any, None]) -> dict[Any, None]:
    """The bodies that a value of this type holds, at any depth."""
    for one in choices(kind):
        if not hasattr(one, "__total__"):
            for inner in get_args(one):
                bodies_in(inner, known)
        elif one not in known:
            known[one] = None
            for hint in hints(one).values():
                bodies_in(hint, known)
    return known


@pytest.mark.parametrize(("shape", "kind"), list(shapes()))
def test_types_are_what_is_checked(shape: Shape[Any], kind: Any) -> None:
    if kind != dict[str, str]:
        nothing = {"nothing"} if type(None) in get_args(kind) else set()
        assert set(shape.kind.split(" or ")) == words(kind) | nothing
    wrong = []
    for body in bodies_in(kind, {}):
        for field, hint in hints(body).items():
            checked = set(shape.fields.get(field, answers._TABLE.get(field, "")).split(" or "))
            if not words(hint) & checked:
                wrong.append(f"{body.__name__}.{field} is {words(hint)}, and {checked} is checked")
    assert not wrong, "\n".join(wrong)


def test_progress_of_a_base_that_is_pulled_is_no_mistake_of_the_engine() -> None:
    line = '{"event": "StepStatus", "step": 1, "status": {"id": "a1", "status": "Downloading", "progressDetail": {}}}'
    assert answers.decoded(line, "POST /pycompose/build", images._BUILD)["status"]
    with pytest.raises(EngineError, match="status is a number, not text or an object"):
        answers.decoded('{"status": 7}', "POST /build", images._BUILD)
