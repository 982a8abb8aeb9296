"""When an engine leaves for being idle, and that it stays for those who could not start it again."""

from __future__ import annotations

import pytest

from pycompose.engine.errors import InvalidParameter
from pycompose.engine.idle import IdleRule, is_foreign


@pytest.mark.parametrize(
    ("environment", "configured", "quiet", "lent", "leaves"),
    [
        ({}, None, 59, False, False),
        ({}, None, 60, False, True),
        ({}, None, 6000, True, False),
        ({}, 5.0, 5, True, True),
        ({}, 0.0, 6000, False, False),
        ({"PYCOMPOSE_IDLE_TIMEOUT": "2"}, 50.0, 3, True, True),
        ({"PYCOMPOSE_IDLE_TIMEOUT": "0"}, 5.0, 6000, False, False),
        ({"PYCOMPOSE_IDLE_TIMEOUT": "1m30s"}, None, 89, False, False),
        ({"PYCOMPOSE_IDLE_TIMEOUT": "1m30s"}, None, 90, False, True),
        ({"PYCOMPOSE_IDLE_TIMEOUT": ""}, None, 60, False, True),
    ],
)
def test_leaving(environment: dict[str, str], configured: float | None, quiet: float, lent: bool, leaves: bool) -> None:
    assert IdleRule.of(environment, configured).allows(quiet, lent=lent) is leaves


@pytest.mark.parametrize("text", ["soon", "10x", "-5", "nan", "1e3"])
def test_a_time_that_is_none(text: str) -> None:
    with pytest.raises(InvalidParameter, match="PYCOMPOSE_IDLE_TIMEOUT: time: "):
        IdleRule.of({"PYCOMPOSE_IDLE_TIMEOUT": text}, None)


@pytest.mark.parametrize(
    ("agent", "foreign"),
    [
        ("pycompose", False),
        ("pycompose/0.2.0", False),
        ("", True),
        ("docker-sdk-python/7.1.0", True),
        ("pycomposer", True),
    ],
)
def test_who_is_another_client(agent: str, foreign: bool) -> None:
    assert is_foreign(agent) is foreign
