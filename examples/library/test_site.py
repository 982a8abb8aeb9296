"""A test that brings up what it needs: ``python -m pytest test_site.py``."""

from __future__ import annotations

import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pycompose import CommandFailed, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    stack = Stack(Path(__file__).with_name("compose.yaml"), project_name="notes-test", ephemeral=True)
    with stack.running(wait_timeout=60):
        yield stack


def test_greets(stack: Stack) -> None:
    host, port = stack.address("web", 80)
    with urllib.request.urlopen(f"http://{host}:{port}/", timeout=10) as answer:
        assert answer.read() == b"hello from notes\n"


def test_is_seeded_once(stack: Stack) -> None:
    assert stack.wait("seed") == {"notes-test-seed-1": 0}
    assert stack.run("seed", "cat", "/data/state").check().stdout == "seeded\n"


def test_takes_what_it_is_given(stack: Stack) -> None:
    stack.exec("web", "sh", "-c", "cat >/srv/new.html", input="written later\n").check()
    assert stack.exec("web", "cat", "/srv/new.html", timeout=10).check().stdout == "written later\n"


def test_says_that_it_serves(stack: Stack) -> None:
    with stack.follow("web") as lines:
        assert next(lines).text == "serving"


def test_a_wrong_command_is_told(stack: Stack) -> None:
    with pytest.raises(CommandFailed, match="exit code 3"):
        stack.exec("web", "sh", "-c", "exit 3").check()
