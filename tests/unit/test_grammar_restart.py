"""Restart policies as users write them."""

from __future__ import annotations

import pytest

from pycompose.grammar import restart


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("no", ("no", 0)),
        ("", ("", 0)),
        ("always", ("always", 0)),
        ("on-failure:5", ("on-failure", 5)),
        ("on-failure:-1", ("on-failure", -1)),
        ("always:3", ("always", 3)),
    ],
)
def test_parse(text: str, policy: tuple[str, int]) -> None:
    assert restart.parse(text) == policy


@pytest.mark.parametrize("text", [":3", "on-failure:", "on-failure:x", "on-failure:1:2", "on-failure:--1", "a:٣"])
def test_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid restart policy format"):
        restart.parse(text)
