"""The blocks of the documentation work: those to be run are run in order, each page in a directory and on an engine of its own. A block
that fails fails the page. What is not run says why, and its `pycompose` commands are at least such as the command takes."""

from __future__ import annotations

import subprocess
from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from support.command import PYCOMPOSE
from support.engine_root import EngineRoot
from support.shown import LANGUAGES, PAGES, ROOT, blocks, commands

from pycompose.compose.cli import main

if TYPE_CHECKING:
    from pathlib import Path

RUN = [page for page in PAGES if any(block.what == "run" for block in blocks(page.read_text()))]


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.root
@pytest.mark.parametrize("page", RUN, ids=name)
def test_page(page: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    with EngineRoot(tmp_path / "root") as engine:
        engine.import_busybox()
        environment = {
            "PATH": f"{PYCOMPOSE.parent}:/usr/bin:/bin:/usr/sbin:/sbin",
            "PYCOMPOSE_ROOT": str(engine.layout.root),
            "HOME": str(tmp_path),
        }
        for block in blocks(page.read_text()):
            if block.what == "file":
                (project / block.word).write_text(block.text)
            elif block.what == "run":
                done = subprocess.run(
                    ["bash", "-euo", "pipefail", "-c", block.text],
                    cwd=project, env=environment, capture_output=True, text=True, timeout=100, check=False,
                )  # fmt: skip
                assert done.returncode == 0, f"{name(page)}:{block.line}\n{block.text}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_says_what_becomes_of_it(page: Path) -> None:
    silent = [block.line for block in blocks(page.read_text()) if block.language in LANGUAGES and not block.what]
    assert silent == [], "above each: <!-- run -->, <!-- file: NAME --> or <!-- not run: REASON -->"


def test_reasons_name_tests_that_are_there() -> None:
    reasons = [block.word for page in PAGES for block in blocks(page.read_text()) if block.what == "not run"]
    named = [word.strip(",;") for reason in reasons for word in reason.split() if word.startswith("tests/")]
    assert len(reasons) > 10 and len(named) > 8
    assert [one for one in named if not (ROOT / one).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_that_are_not_run_are_taken(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verbs, flags and the number of arguments, by the command's own parsers; nothing is carried out."""

    def parsing(module: str, package: str) -> SimpleNamespace:
        return SimpleNamespace(**{**vars(import_module(module, package)), "run": lambda args: 0})

    monkeypatch.setattr(main, "import_module", parsing)
    for block in blocks(page.read_text()):
        if block.language == "sh" and block.what != "run":
            for words in commands(block.text):
                assert main._dispatch(words) == 0, words


def test_blocks_are_told_apart() -> None:
    page = "<!-- run\ntrue\n-->\n\n<!-- not run: a reason -->\n```sh\nA=1 pycompose up; pycompose ps | cat # it\n```\n\n```\nout\n```\n"
    found = [(block.line, block.language, block.what, block.word) for block in blocks(page)]
    assert found == [(1, "sh", "run", ""), (5, "sh", "not run", "a reason"), (10, "", "", "")]
    assert list(commands(list(blocks(page))[1].text)) == [["up"], ["ps"]]
