"""Texts that look like numbers and are none for Python, or are too long for it: flags and labels say so, or pass over them."""

from __future__ import annotations

import pytest

from pycompose.compose.app import results
from pycompose.compose.app.session import container_order
from pycompose.compose.cli.flags.parser import FlagError
from pycompose.compose.cli.flags.pulling import pull_policy
from pycompose.compose.cli.flags.scale import parse_scale
from pycompose.compose.errors import UsageError
from pycompose.compose.labels import NUMBER, SERVICE
from pycompose.compose.plan import observe

STRANGE = ["²", "٣", "-1", "1_0", "9" * 5000, "+1", " 1", ""]


@pytest.mark.parametrize("text", STRANGE)
def test_a_label_that_is_no_number(text: str) -> None:
    row = {"Id": "1" * 64, "Names": ["/n"], "Labels": {SERVICE: "s", NUMBER: text}, "Status": f"Exited ({text}) 1s ago"}
    assert observe.container(row).number == 1
    assert results.container(row).number == 0
    assert container_order(row) == ("s", 0, "/n")


@pytest.mark.parametrize("text", STRANGE)
def test_a_scale_that_is_no_number(text: str) -> None:
    with pytest.raises(FlagError, match="Should be SERVICE=NUM"):
        parse_scale([f"web={text}"])


def test_pull_policies() -> None:
    assert pull_policy(None) == "" and pull_policy("missing") == "missing"
    for text in ("", "bogus", "ALWAYS"):
        with pytest.raises(UsageError, match="invalid --pull option"):
            pull_policy(text)
