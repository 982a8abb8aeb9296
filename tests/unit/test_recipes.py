"""The recipes of docs/contributing.md: every file they name is there, and the walk of an attribute works on a made-up key."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RECIPES = (ROOT / "docs" / "contributing.md").read_text()

_EDIT = re.compile(r"<!-- edit: (?P<file>\S+) -->\n *```\w+\n(?P<text>.*?)\n *```", re.DOTALL)
_NAMED = re.compile(r"`((?:compose|engine|schemas|tests|docs)/[\w/.-]+)`")

PROBE = """
from pycompose import ComposeError, load
try:
    project = load("compose.yaml")
except ComposeError as error:
    raise SystemExit(f"loaded: {error}")
from pycompose.compose.convert.container import Facts, create_request
from pycompose.compose.convert.bodies import ContainerConfig
from pycompose.compose.load.conformance import table
from pycompose.compose.model.service import Service
from pycompose.engine.containers.spec.bodies import Config
from pycompose.engine.containers.spec.fields import CONFIG
print("table:", "services.*.greeting" in {row.key for row in table()})
print("typed:", "greeting" in Service.__annotations__)
print("bound:", project.services["web"].get("greeting"))
print("member:", "Greeting" in ContainerConfig.__annotations__)
print("body:", create_request(project, "web", 1, Facts()).body.get("Greeting"))
print("field:", "Greeting" in CONFIG)
print("kept:", "Greeting" in Config.__annotations__)
"""


def probe(directory: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(directory), "XDG_CACHE_HOME": str(directory / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_every_file_is_there() -> None:
    missing = [name for name in _NAMED.findall(RECIPES) if "NAME" not in name and not (ROOT / name).exists()]
    assert missing == []


def test_the_walk_of_an_attribute(tmp_path: Path) -> None:
    package = tmp_path / "pycompose"
    shutil.copytree(ROOT / "pycompose", package, ignore=shutil.ignore_patterns("__pycache__"))  # the links' folders too
    (tmp_path / "compose.yaml").write_text("name: demo\nservices:\n  web: {image: box, greeting: hello}\n")
    seen = [probe(tmp_path)]
    for edit in _EDIT.finditer(RECIPES):
        new, anchor = (line.removeprefix("    ") for line in edit["text"].splitlines())
        file = package / edit["file"]
        text = file.read_text()
        assert text.count(f"\n{anchor}") == 1, (edit["file"], anchor)
        file.write_text(text.replace(f"\n{anchor}", f"\n{new}\n{anchor}"))
        seen.append(probe(tmp_path))
    assert "compose.yaml:3:21: unknown key services.web.greeting" in seen[0]
    words = ["table:", "typed:", "bound:", "member:", "body:", "field:", "kept:"]
    told = ["True", "True", "hello", "True", "hello", "True", "True"]
    for number, output in enumerate(seen[1:]):
        missing = ["False", "False", "None", "False", "None", "False", "False"]
        expected = told[:number] + missing[number:]
        assert output.splitlines() == [f"{word} {value}" for word, value in zip(words, expected, strict=True)]
