"""A filter's name is a regular expression, as in Docker, and no expression holds the loop."""

from __future__ import annotations

import time

import pytest

from pycompose.engine.shapes import name_matches
from pycompose.engine.volumes.types import Volume, passes


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("web", True), ("b-1$", True), ("^web", True), ("^eb", False), ("w.b-[12]$", True), ("WEB", False), ("", True), ("web-(1|2)", True),
        ("[", False), ("*", False), ("(", False), ("x*w.*1", True),
        ("(w|e)+b", True), ("w.*e.*b.*-.*1", True), ("(?:w(eb)*)+-", True), ("w{1001}", False),
    ],
)  # fmt: skip
def test_a_name_is_looked_for(pattern: str, found: bool) -> None:
    assert name_matches("web-1", pattern) is found


def test_what_is_no_expression_is_a_name_still() -> None:
    assert name_matches("a[b", "a[b")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("(a+)+$", False), ("(a|aa)*$", True), ("^(a|aa)*$", False), ("a*a*a*a*a*a*a*$", True), ("^a*a*a*a*a*a*a*$", False),
        ("(?:a{1,9}){1,99}$", False), ("a?" * 40 + "a" * 60 + "$", False), ("(a|a)" * 40 + "$", False),
    ],
)  # fmt: skip
def test_an_expression_that_would_go_back_and_back_is_quick(pattern: str, found: bool) -> None:
    began = time.process_time()
    assert name_matches("a" * 60 + "!", pattern) is found
    assert time.process_time() - began < 0.5


def test_volumes_are_found_by_expression() -> None:
    volume = Volume.new("proj_data", {}, None)
    assert passes(volume, {"name": ["^proj_"]}, used=False)
    assert not passes(volume, {"name": ["^data", "oj$"]}, used=False)
