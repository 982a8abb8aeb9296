"""Builds on the page: the steps while they go, wherever the build was begun, and what is left of one that failed."""

from __future__ import annotations

import subprocess
import threading
from typing import TYPE_CHECKING

import pytest
from support.command import PYCOMPOSE

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page
    from support.command import Command

pytestmark = [pytest.mark.root, pytest.mark.browser]

FILE = r"""
name: works
services:
  web:
    image: works-web
    build:
      context: .
      dockerfile_inline: |
        FROM box
        RUN echo '<b>first</b>'
        RUN --mount=type=cache,target=/w mkfifo /w/pipe; echo begun; cat /w/pipe; echo ended
"""


def _build(stack: Command, directory: Path, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [str(PYCOMPOSE), "--root", str(stack.root), "build", *words],
        cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.timeout(180)
def test_steps_are_seen_while_they_go(page: Page, stack: Command, tmp_path: Path) -> None:
    # The command waits for a line in a pipe, so that the page has all the time it needs.
    (tmp_path / "compose.yaml").write_text(FILE)
    page.set_default_timeout(60_000)
    page.goto(f"{page.url.partition('#')[0]}#/builds")
    page.locator("h1", has_text="Builds").wait_for()
    process = _build(stack, tmp_path)
    try:
        build = page.locator('[data-build="works-web"]')
        build.locator("li", has_text="mkfifo").locator(".word", has_text="running").wait_for()
        build.locator("pre", has_text="begun").wait_for()
        assert build.locator("li", has_text="first").locator(".word", has_text="done").count() == 1
        # Whoever looks at another page is told as well.
        page.goto(f"{page.url.partition('#')[0]}#/")
        page.locator(".building", has_text="works-web").wait_for()
        page.go_back()
        (pipe,) = stack.root.glob("state/cache/build/mounts/**/pipe")
        threading.Thread(target=pipe.write_text, args=("go\n",), daemon=True).start()
        build.locator("h2 .word", has_text="done").wait_for()
        assert process.wait(timeout=60) == 0
        build.get_by_text("steps", exact=False).last.click()
        step = build.locator("li", has_text="first")
        step.get_by_text("output").click()
        assert step.get_by_label("Output of step").inner_text().strip() == "<b>first</b>"
    finally:
        process.kill()
        process.wait()


@pytest.mark.timeout(180)
def test_one_that_fails_says_why(page: Page, stack: Command, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(
        "name: works\nservices:\n  api:\n    image: works-api\n    build: {context: ., dockerfile_inline: \"FROM box\\nRUN echo '<i>no</i>' >&2; exit 7\"}\n"
    )
    page.set_default_timeout(60_000)
    page.goto(f"{page.url.partition('#')[0]}#/builds")
    assert _build(stack, tmp_path).wait(timeout=60) != 0
    build = page.locator('[data-build="works-api"]')
    build.locator("h2 .word", has_text="failed").wait_for()
    why = build.get_by_label("Why it failed")
    assert "exit code: 7" in why.inner_text()
    build.get_by_text("steps", exact=False).last.click()
    build.locator("pre", has_text="<i>no</i>").first.wait_for()
    page.goto(f"{page.url.partition('#')[0]}#/events")
    page.locator("td.bad", has_text="build works-api failed").first.wait_for()
