"""Hooks in labels: what conversion writes is read back as it was, and what somebody else has written does no harm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pycompose.compose.convert import hooks

if TYPE_CHECKING:
    from pycompose.compose.model.service import PreStartHook


def test_what_is_written_is_read() -> None:
    written: list[PreStartHook] = [
        {"command": ["a", "b"], "environment": {"A": "1", "B": None}, "user": "me", "working_dir": "/w"},
        {"command": None, "image": "box", "per_replica": True, "privileged": True},
    ]
    assert hooks.read(hooks.recorded(written)) == tuple(written)


@pytest.mark.parametrize("text", [None, "", "{}", "[", "[" * 100_000, '"x"', "[1, null, [], {}]", '[{"command": 7}]'])
def test_what_is_no_list_of_commands_counts_as_none(text: str | None) -> None:
    found = hooks.read(text)
    assert found == () or found == ({"command": None},)


def test_values_of_another_kind_become_text() -> None:
    (hook,) = hooks.read('[{"command": "echo $A", "environment": ["A=1", "B"], "user": 1000, "image": 3}]')
    assert hook == {
        "command": ["/bin/sh", "-c", "echo $A"],
        "environment": {"A": "1", "B": None},
        "user": "1000",
        "image": "3",
    }
    assert hooks.exec_body(hook)["Env"] == ["A=1", "B"]
