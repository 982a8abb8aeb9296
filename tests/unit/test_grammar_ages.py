"""Spans in words against go-units' HumanDuration."""

from __future__ import annotations

import pytest

from pycompose.grammar import ages


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.5, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (3000, "50 minutes"),
        (3599, "59 minutes"),
        (3600, "About an hour"),
        (5399, "About an hour"),
        (5400, "2 hours"),
        (7200, "2 hours"),
        # half an hour is rounded up, whether the hour is even or odd
        (2.5 * 3600, "3 hours"),
        (3.5 * 3600, "4 hours"),
        (86400 * 3, "3 days"),
        (86400 * 14, "2 weeks"),
        (86400 * 20, "2 weeks"),
        (86400 * 60, "2 months"),
        (86400 * 100, "3 months"),
        (86400 * 730, "2 years"),
        (86400 * 1000, "2 years"),
    ],
)
def test_ages(seconds: float, text: str) -> None:
    assert ages.format(seconds) == text
