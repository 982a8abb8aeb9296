"""The light dataclass behaves as the standard one does."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
from typing import Any, ClassVar

import pytest

from pycompose.compose import dataclass as light


def make(dataclass: Any, field: Any) -> dict[str, Any]:
    @dataclass(frozen=True, slots=True)
    class Point:
        x: int
        y: int = 2
        tags: list[str] = field(default_factory=list)
        kind: ClassVar[str] = "point"

        @property
        def sum(self) -> int:
            return self.x + self.y

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Named(Point):
        name: str  # type: ignore[misc]  # a stranger's decorator to mypy, and so not one of keywords
        y: int = 5

    @dataclass(slots=True)
    class Open:
        value: int = 0

    @dataclass(frozen=True)
    class Plain:
        value: int = 7

    return {"Point": Point, "Named": Named, "Open": Open, "Plain": Plain}


LIGHT = make(light.dataclass, light.field)
STANDARD = make(dataclasses.dataclass, dataclasses.field)


def behaviour(kinds: dict[str, Any]) -> list[Any]:
    point, named, opened, plain = kinds["Point"], kinds["Named"], kinds["Open"], kinds["Plain"]
    seen: list[Any] = [
        repr(point(1)).rpartition(".")[2],
        point(1) == point(1, 2, []),
        point(1) == point(2),
        point(1) == named(x=1, name="n"),
        point(1).__eq__(3),
        point(1, tags=()).__hash__() == hash((1, 2, ())),
        point.__match_args__,
        named.__match_args__,
        point.kind,
        point(3).sum,
        named(3, name="n").sum,
        dataclasses.astuple(dataclasses.replace(point(1), y=9)),
        dataclasses.astuple(named(1, name="n")),
        [(one.name, one.kw_only) for one in dataclasses.fields(named)],
        dataclasses.is_dataclass(point),
        copy.deepcopy(point(4)) == point(4),
        point(1).tags is point(1).tags,
        hasattr(point(1), "__dict__"),
        hasattr(plain(), "__dict__"),
        plain(8).value,
        plain.value,
        opened.__hash__,
    ]
    one = opened(3)
    one.value = 4
    seen.append(one == opened(4))
    for wrong in (
        lambda: point(),
        lambda: point(1, 2, [], 4),
        lambda: point(1, z=3),
        lambda: named(1),
        lambda: named(1, 2, [], "n"),
        lambda: setattr(point(1), "x", 2),
        lambda: delattr(point(1), "x"),
        lambda: setattr(opened(1), "new", 2),
        lambda: hash(point(1)),
        lambda: hash(opened(1)),
    ):
        with pytest.raises((TypeError, AttributeError)) as caught:
            wrong()
        seen.append(isinstance(caught.value, TypeError))
    return seen


def test_as_the_standard_one() -> None:
    assert behaviour(LIGHT) == behaviour(STANDARD)


def test_pickled() -> None:
    from pycompose.compose.errors import Mark

    mark = Mark("compose.yaml", 3, 4)
    assert pickle.loads(pickle.dumps(mark)) == mark


def test_the_standard_one_is_not_imported_by_quick_commands() -> None:
    script = "import sys, pycompose.compose.cli.verbs.ps, pycompose.compose.cli.verbs.exec; sys.exit('inspect' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
