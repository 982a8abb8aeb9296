"""The public library's names: few, lazy, and the same in both faces."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any

import pytest

import pycompose
from pycompose.compose.app.asynchronous import AsyncStack
from pycompose.compose.app.choices import Choices
from pycompose.compose.app.stack import Stack


def test_the_package_itself_is_free() -> None:
    script = "import sys; before = set(sys.modules); import typing, pycompose; print(*(set(sys.modules) - before))"
    free = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in free if name.startswith("pycompose")] == ["pycompose"]


def test_a_stack_is_light() -> None:
    script = "import sys; from pycompose import Stack; Stack('x'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"yaml", "anyio", "asyncio", "networkx", "jsonschema"} & set(loaded)


def test_every_name_is_there() -> None:
    for name in pycompose.__all__:
        assert getattr(pycompose, name).__doc__, name
    assert set(pycompose.__all__) <= set(dir(pycompose))
    with pytest.raises(AttributeError, match="nothing"):
        _ = pycompose.nothing


def test_the_keywords_are_the_choices() -> None:
    """`Chosen` types the keywords of `Stack`; at run time there is only `Choices`."""
    from pycompose.compose.app import choices

    source = inspect.getsource(choices)
    typed = source.partition("class Chosen(TypedDict, total=False):")[2].partition("\n\n\n")[0]
    keywords = {
        line.strip().partition(":")[0] for line in typed.splitlines() if line.startswith(" " * 8) and ":" in line
    }
    assert keywords == set(Choices.__dataclass_fields__) - {"files"}


def test_the_keywords_of_exec_are_its_options() -> None:
    from pycompose.compose.app import commands

    typed = (
        inspect.getsource(commands).partition("class ExecKeywords(TypedDict, total=False):")[2].partition("\n\n\n")[0]
    )
    keywords = {line.strip().partition(":")[0] for line in typed.splitlines() if ":" in line}
    assert keywords == set(commands.ExecOptions.__dataclass_fields__)


def test_both_faces_have_the_same_methods() -> None:
    def surface(kind: type[Any]) -> dict[str, list[inspect.Parameter]]:
        return {
            name: list(inspect.signature(member).parameters.values())
            for name, member in vars(kind).items()
            if inspect.isfunction(member) and not name.startswith("_")
        }

    only_sync = {"converge", "ends"}  # the one by options alone is the verbs', the other the base of wait
    awaited = surface(AsyncStack)
    assert awaited == {name: parameters for name, parameters in surface(Stack).items() if name not in only_sync}
    entered = {"follow", "running"}  # by `async for` and `async with`
    assert {name for name in awaited if not inspect.iscoroutinefunction(getattr(AsyncStack, name))} == entered


def test_a_bad_word_for_a_choice_is_told() -> None:
    with pytest.raises(TypeError, match="profile"):
        Stack("compose.yaml", profile="x")  # type: ignore[call-arg]
