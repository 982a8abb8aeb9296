"""Points in time as the Engine API reads and writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycompose.engine.errors import InvalidParameter
from pycompose.engine.timestamps import parse_time, rfc3339


@given(st.integers(0, 2**61))
def test_times_survive_their_text(nanoseconds: int) -> None:
    assert parse_time(rfc3339(nanoseconds), 0) == nanoseconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5", 5 * 10**9),
        ("5.25", 5_250_000_000),
        ("10m", -600 * 10**9),
        ("1h30m", -5400 * 10**9),
        ("1970-01-01T00:00:01Z", 10**9),
        ("1970-01-01T01:00:01+01:00", 10**9),
        ("1970-01-02", 86400 * 10**9),
    ],
)
def test_times(text: str, expected: int) -> None:
    assert parse_time(text, 0) == expected


@pytest.mark.parametrize("text", ["", "x", "1970-13-01T00:00:00Z", "10q", "1..2"])
def test_bad_times(text: str) -> None:
    with pytest.raises(InvalidParameter):
        parse_time(text, 0)
