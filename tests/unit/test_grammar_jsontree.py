"""JSON of others: readers that narrow it, and never guess."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pycompose.grammar.jsontree import items, mapping, mappings, text, whole

if TYPE_CHECKING:
    from pycompose.grammar.jsontree import Json

VALUES: list[Json] = [None, True, 0, 7, 1.5, "", "a", [], [{"a": 1}, 2, None], {}, {"a": [1]}]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_each_reader_takes_its_own_kind_only(value: Json) -> None:
    assert mapping(value) == (value if isinstance(value, dict) else {})
    assert items(value) == (value if isinstance(value, list) else [])
    assert text(value) == (value if isinstance(value, str) else "")
    assert whole(value) == (value if type(value) is int else 0)


def test_objects_of_a_list() -> None:
    assert mappings([{"a": 1}, 2, None, {}]) == [{"a": 1}, {}]
    assert mappings({"a": 1}) == []
    assert whole(True) == 0  # a boolean is no number in JSON
