"""Durations against Go's time.ParseDuration and Duration.String."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycompose.grammar import durations


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("90s", "1m30s"),
        ("1h", "1h0m0s"),
        ("1.5s", "1.5s"),
        (".5s", "500ms"),
        ("1.s", "1s"),
        ("100ms", "100ms"),
        ("1us", "1µs"),
        ("0", "0s"),
        ("-0", "0s"),
        ("0s", "0s"),
        ("-5m", "-5m0s"),
        ("+5m", "5m0s"),
        ("1h30m0.25s", "1h30m0.25s"),
        ("1500us", "1.5ms"),
        ("1500μs", "1.5ms"),
        ("-9223372036854775808ns", "-2562047h47m16.854775808s"),
    ],
)
def test_duration(text: str, shown: str) -> None:
    assert durations.format(durations.parse(text)) == shown


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'invalid duration ""'),
        ("5", 'missing unit in duration "5"'),
        ("1.5", 'missing unit in duration "1.5"'),
        ("1h5", 'missing unit in duration "1h5"'),
        ("1x", 'unknown unit "x"'),
        ("1d", 'unknown unit "d"'),
        ("s", "invalid duration"),
        (".s", "invalid duration"),
        ("1 s", 'unknown unit " s"'),
        ("one", "invalid duration"),
        ("1m-5s", 'unknown unit "m-"'),
        ("99999999999h", "invalid duration"),
        ("9223372036854775808ns", "invalid duration"),
        ("٣s", "invalid duration"),
        ("1" * 5000 + "s", "invalid duration"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"^time: ") as caught:
        durations.parse(text)
    assert message in str(caught.value)


@given(st.integers(-(2**63), 2**63 - 1))
def test_read_back(nanoseconds: int) -> None:
    assert durations.parse(durations.format(nanoseconds)) == nanoseconds


@given(st.text(alphabet="0123456789.-+smhnu µ", max_size=20))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        value = durations.parse(text)
    except ValueError:
        return
    assert durations.parse(durations.format(value)) == value
