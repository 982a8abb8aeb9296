"""What the documentation shows works: blocks after ``<!-- run -->`` are run in order, each page in a directory and on an engine of its
own, with the files that the page names by ``<!-- file: NAME -->``. A block that fails fails the page."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from support.command import PYCOMPOSE
from support.engine_root import EngineRoot

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(path for path in (ROOT / "docs").rglob("*.md") if "<!-- run -->" in path.read_text())

_BLOCK = re.compile(
    r"^<!-- (?P<what>run|file: (?P<name>\S+)) -->\n```\w+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)

pytestmark = pytest.mark.root


class Block(NamedTuple):
    file: str | None
    text: str


def blocks(page: str) -> Iterator[Block]:
    for found in _BLOCK.finditer(page):
        yield Block(found["name"], found["text"])


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
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
            if block.file is not None:
                (project / block.file).write_text(block.text)
                continue
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block.text],
                cwd=project, env=environment, capture_output=True, text=True, timeout=100, check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{block.text}\n{done.stdout}{done.stderr}"
