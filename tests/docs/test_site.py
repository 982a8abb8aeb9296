"""The documentation builds without a warning: a dead link or anchor is an error."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import webbrowser
from argparse import Namespace
from pathlib import Path

import pytest

from pycompose import version
from pycompose.compose.cli.verbs import docs
from pycompose.compose.errors import ComposeError

ROOT = Path(__file__).resolve().parents[2]


def test_the_site_builds(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Start in five minutes" in (tmp_path / "site" / "start.html").read_text()
    barred = [
        page.name for page in (tmp_path / "site").rglob("*.html") if re.search(r"<td><code>[^<]*\\\|", page.read_text())
    ]
    assert barred == [], "a backslash is shown before a bar"
    assert (tmp_path / "site" / "search" / "search_index.json").stat().st_size > 10_000


@pytest.mark.parametrize("page", sorted(path.name for path in ROOT.glob("*.md")))
def test_links_of_the_pages_outside_the_site(page: str) -> None:
    """mkdocs does not see them. Pictures count as well."""
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(), flags=re.DOTALL)
    links = [one.partition("#")[0] for one in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in one]
    missing = [one for one in links if one and not (ROOT / one).exists()]
    assert missing == []
    if page == "README.md":
        assert "docs/screens/project-light.png" in links and len(links) > 20


def test_docs_opens_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "site" / "how-to").mkdir(parents=True)
    for name in ("index", "start", "how-to/operating"):
        (tmp_path / "site" / f"{name}.html").write_text(name)
    monkeypatch.setattr(version, "__file__", str(tmp_path / "version.py"))
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    for wanted, file in (
        ("index", "index"), ("how-to/operating", "how-to/operating"), ("operating", "how-to/operating"), ("start.md", "start"),
    ):  # fmt: skip
        assert docs.run(Namespace(page=wanted, no_open=False)) == 0
        assert opened[-1] == (tmp_path / "site" / f"{file}.html").as_uri() == capsys.readouterr().out.strip()
    docs.run(Namespace(page="index", no_open=True))
    assert len(opened) == 4
    with pytest.raises(
        ComposeError, match=r"no page 'stat' \(did you mean start\?\); there are how-to/operating, index, start"
    ):
        docs.page(tmp_path / "site", "stat")


def test_docs_that_are_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version, "__file__", str(tmp_path / "version.py"))
    with pytest.raises(ComposeError, match="mkdocs build --site-dir pycompose/site"):
        docs.run(Namespace(page="index", no_open=False))
