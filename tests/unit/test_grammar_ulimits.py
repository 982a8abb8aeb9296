"""``NAME=SOFT[:HARD]``, as Docker's command takes it and its engine checks it."""

from __future__ import annotations

import pytest

from pycompose.grammar import ulimits


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("nofile=1024", ("nofile", 1024, 1024)),
        ("nofile=1024:4096", ("nofile", 1024, 4096)),
        ("core=0:-1", ("core", 0, -1)),
        ("memlock=-1", ("memlock", -1, -1)),
        ("stack=0x10", ("stack", 16, 16)),
    ],
)
def test_limits(text: str, limit: tuple[str, int, int]) -> None:
    assert ulimits.parse(text) == limit


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nofile", "invalid ulimit argument: nofile"),
        ("files=1", "invalid ulimit type: files"),
        ("nofile=2:1", "2 > 1"),
        ("nofile=-1:5", "-1 > 5"),
        ("nofile=", 'parsing "": invalid syntax'),
        ("nofile=1:2:3", 'parsing "2:3": invalid syntax'),
    ],
)
def test_what_is_none(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        ulimits.parse(text)
