"""Texts that look like numbers and are none for Python, or are too long for it: flags and labels say so, or pass over them."""

from __future__ import annotations

import pytest

from pycompose.compose.app import results
from pycompose.compose.app.session import container_order
from pycompose.compose.cli.flags.parser import FlagError
from pycompose.compose.cli.flags.pulling import pull_policy
from pycompose.compose.cli.flags.scale import parse_scale
from pycompose.compose.cli.verbs.container.values import device_count, device_weight
from pycompose.compose.client.endpoint import choose
from pycompose.compose.errors import UsageError
from pycompose.compose.labels import NUMBER, SERVICE
from pycompose.compose.plan import observe
from pycompose.engine.api.pulls import split
from pycompose.engine.build import plan as planning
from pycompose.engine.build.dockerfile import DockerfileError
from pycompose.engine.containers.spec.probing import statuses
from pycompose.engine.errors import InvalidParameter
from pycompose.grammar.numerals import natural

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


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0), ("007", 7), ("9" * 20, 10**20 - 1), *((one, None) for one in STRANGE)]
)
def test_a_number_of_a_stranger(text: str, number: int | None) -> None:
    assert natural(text) == number


@pytest.mark.parametrize("text", ["²", "٣", "9" * 5000])
def test_what_asks_for_a_number_says_that_it_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="Number must be a positive integer"):
        device_count(f"/dev/sda:{text}")
    with pytest.raises(ValueError, match="invalid weight"):
        device_weight(f"/dev/sda:{text}")
    with pytest.raises(UsageError, match="no valid port"):
        choose({"DOCKER_HOST": f"tcp://host:{text}"}, 0, None, None)
    with pytest.raises(InvalidParameter, match="HOST:PORT"):
        split(f"host:{text}")
    with pytest.raises(InvalidParameter, match="status must be"):
        statuses(text)


@pytest.mark.parametrize("text", ["²", "٣", "9" * 5000])
def test_a_stage_that_is_no_number(text: str) -> None:
    with pytest.raises(DockerfileError, match="could not be found"):
        planning._target([], text)
