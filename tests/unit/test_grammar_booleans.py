"""Truth values against Go's strconv.ParseBool."""

from __future__ import annotations

import pytest

from pycompose.grammar import booleans


def test_parse() -> None:
    assert all(booleans.parse(text) for text in ("1", "t", "T", "TRUE", "true", "True"))
    assert not any(booleans.parse(text) for text in ("0", "f", "F", "FALSE", "false", "False"))


@pytest.mark.parametrize("text", ["", "yes", "tRUE", " 1", "2"])
def test_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid syntax"):
        booleans.parse(text)
