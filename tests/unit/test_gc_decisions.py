"""What `gc` decides: when it looks, what counts as unused, and which logs are old enough. Nothing here needs an engine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pycompose.engine.api import upkeep
from pycompose.engine.configuration.upkeep import Upkeep

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1e9


@pytest.mark.parametrize(
    ("last", "seconds"),
    [
        pytest.param(0.0, 0.0, id="nobody has ever looked"),
        pytest.param(NOW, 3600.0, id="just now"),
        pytest.param(NOW - 600, 3000.0, id="some minutes ago"),
        pytest.param(NOW - 3600, 0.0, id="it is time"),
        pytest.param(NOW - 9000, 0.0, id="missed while no engine ran"),
        pytest.param(NOW + 5, 0.0, id="the clock was set back"),
    ],
)
def test_when_the_next_look_is_due(last: float, seconds: float) -> None:
    assert upkeep.due(last, NOW, 3600) == seconds


@pytest.mark.parametrize(
    ("before", "used", "after"),
    [
        pytest.param({}, [], {"a": 50.0}, id="an image that nobody has seen counts from now"),
        pytest.param({"a": 10.0}, [], {"a": 10.0}, id="unused since then"),
        pytest.param({"a": 10.0}, ["a"], {"a": 50.0}, id="in use"),
        pytest.param({"a": 99.0}, [], {"a": 50.0}, id="the clock was set back"),
        pytest.param({"a": 10.0, "gone": 1.0}, ["gone"], {"a": 10.0}, id="what is gone is forgotten"),
    ],
)
def test_when_an_image_was_seen_in_use(before: dict[str, float], used: list[str], after: dict[str, float]) -> None:
    assert upkeep.seen(before, ["a"], used, 50.0) == after


@pytest.mark.parametrize(
    ("age", "found"),
    [
        pytest.param(50.0, [], id="nothing is so old"),
        pytest.param(45.0, [], id="not before the time is over"),
        pytest.param(44.9, ["c"], id="the oldest alone"),
        pytest.param(39.0, ["c", "a"], id="the oldest first"),
        pytest.param(-1.0, ["c", "a", "b"], id="all"),
    ],
)
def test_which_images_go(age: float, found: list[str]) -> None:
    assert upkeep.unused({"a": 10.0, "b": 50.0, "c": 5.0}, 50.0, age) == found


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        (Upkeep(), False),
        (Upkeep(every=1.0), False),
        (Upkeep(cache_unused=0.0), True),
        (Upkeep(cache_size=0), True),
        (Upkeep(images_unused=1.0), True),
        (Upkeep(logs_unused=1.0), True),
    ],
)
def test_which_policy_looks_at_all(policy: Upkeep, wanted: bool) -> None:
    assert policy.is_wanted is wanted


def test_a_log_goes_when_all_of_it_is_old(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert upkeep._emptied(str(log), NOW) == (0, 0), "a container that has never written"
    log.mkdir()
    assert upkeep._emptied(str(log), NOW) == (0, 0)
    for number, name in enumerate(("json.log", "json.log.1")):
        (log / name).write_text("x" * 5000)
        os.utime(log / name, (NOW, NOW - number))
    assert upkeep._emptied(str(log), NOW - 1) == (0, 0), "one file is not old enough"
    assert len(os.listdir(log)) == 2
    count, size = upkeep._emptied(str(log), NOW)
    assert count == 1 and size >= 10_000 and os.listdir(log) == []


def test_a_log_is_no_link_to_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    (tmp_path / "log").symlink_to("other")
    with pytest.raises(OSError, match="Not a directory"):
        upkeep._emptied(str(tmp_path / "log"), 1e12)
    assert (tmp_path / "other" / "file").exists()
