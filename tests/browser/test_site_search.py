"""The documentation as `pycompose docs` opens it: from files, with a search that needs no server and asks no other host."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(target)]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, check=True, timeout=110)
    return target


@pytest.mark.parametrize("start", ["start.html", "how-to/operating.html"])
def test_search_without_a_server(browser: Browser, site: Path, start: str) -> None:
    page = browser.new_page()
    requests: list[str] = []
    page.on("request", lambda one: requests.append(one.url))
    try:
        page.goto((site / start).as_uri())
        # What is typed before the search listens is lost; once the field has the focus and the index is read, it says so.
        query = page.locator("[data-md-component=search-query]")
        query.focus()
        page.locator(".md-search-result__meta", has_text="Type to start searching").wait_for(state="attached")
        query.press_sequentially("snapshot")  # key by key: the search listens to keys, and to the focus
        page.wait_for_selector(".md-search-result__item")
        assert page.locator(".md-search-result__item").count() > 3
    finally:
        page.close()
    assert [url for url in requests if not url.startswith("file:")] == []
