"""A key that is marked done occurs in a test that runs something: not that it is tested well, but that nobody marked it blindly."""

from __future__ import annotations

import re
from pathlib import Path

from pycompose.compose.load.conformance import table

TESTS = Path(__file__).parents[1]
RUNNING = ("scenarios", "kernel", "api", "crash", "soak")


def test_every_key_that_is_done_occurs_in_a_test() -> None:
    words: set[str] = set()
    for directory in RUNNING:
        for path in (TESTS / directory).glob("*.py"):
            words.update(re.findall(r"x(?:-\w+)+|\w+", path.read_text()))
    words.update(re.findall(r"\w+", (TESTS / "unit" / "test_image_plan.py").read_text()))  # pulling needs no container
    keys = [entry.key for entry in table() if entry.status == "supported"]
    leaves = {key: key.removesuffix(".*").rpartition(".")[2] for key in keys}
    assert [key for key, leaf in leaves.items() if leaf not in words] == []
