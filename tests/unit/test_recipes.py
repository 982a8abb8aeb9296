"""The recipes of docs/contributing.md: every file they name is there, and their walks do, edit by edit, what they say.

A walk is made in a copy of the code. Each edit brings about one fact, and no other: a recipe that has gone stale, or leaves out a
step, or has a step that nothing needs, fails here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
RECIPES = (ROOT / "docs" / "contributing.md").read_text()
PROBES = ROOT / "tests" / "data" / "recipes"

_STEP = re.compile(
    r"`(?P<file>[\w/.-]+)`, (?P<how>new|above the last of these lines):\n\n *```\w+\n(?P<text>.*?)\n *```", re.DOTALL
)
_NAMED = re.compile(r"`((?:compose|engine|schemas|tests|docs)/[\w/.-]+)`(?!, new:)")
_MISSING = "-"
"""What a probe says of a fact that is not there yet."""


class Recipe(NamedTuple):
    """A section's title, and the facts that its edits bring about, in order: the word of the probe, and what it says then."""

    title: str
    facts: tuple[tuple[str, str], ...]


ATTRIBUTE = Recipe(
    "attribute",
    (
        ("allowed", "True"),
        ("table", "True"),
        ("typed", "True"),
        ("bound", "hello"),
        ("member", "True"),
        ("body", "hello"),
        ("field", "True"),
        ("kept", "True"),
    ),
)
VERB = Recipe(
    "verb",
    (
        ("use case", "['hello db', 'hello web']"),
        ("method", "['hello web']"),
        ("awaited", "['hello db']"),
        ("module", "True"),
        ("command", "hello db hello web"),
    ),
)
FIELD = Recipe(
    "field of the API",
    (
        ("kind", "HostConfig.Manners"),
        ("typed", "True"),
        ("sense", "invalid manners: rude"),
        ("value", "True"),
        ("older", "{'HostConfig': {}}"),
        ("read", "True"),
    ),
)
CHECK = Recipe(
    "kind of health check",
    (
        ("checked", "True"),
        ("table", "True"),
        ("typed", "True"),
        ("test", "['ALIVE']"),
        ("value", "AliveProbe"),
        ("read", "AliveProbe"),
        ("prober", "True"),
        ("verdict", "it runs"),
    ),
)
DRIVER = Recipe("network driver", (("class", "empty"), ("imported", "Empty"), ("found", "empty")))


def section(title: str) -> str:
    return RECIPES.partition(f"## Your first {title}\n")[2].partition("\n## ")[0]


def probe(directory: Path, recipe: Recipe) -> dict[str, str]:
    """What there is by now, in the words of the recipe's probe."""
    done = subprocess.run(
        [sys.executable, PROBES / f"{recipe.title.split()[-1].lower()}.py"],
        cwd=directory,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(directory), str(PROBES))),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYCOMPOSE_WARM": "0",
            "XDG_CACHE_HOME": str(directory / "cache"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(line.split(": ", 1) for line in done.stdout.splitlines())


def walk(directory: Path, recipe: Recipe) -> Iterator[dict[str, str]]:
    """The probe's word before the first edit, and after each."""
    package = directory / "pycompose"
    shutil.copytree(ROOT / "pycompose", package, ignore=shutil.ignore_patterns("__pycache__"))  # the links' folders too
    yield probe(directory, recipe)
    for step in _STEP.finditer(section(recipe.title)):
        lines = [line.removeprefix("    ") for line in step["text"].splitlines()]
        file = package / step["file"]
        if step["how"] == "new":
            assert not file.exists(), step["file"]
            file.write_text("\n".join(lines) + "\n")
        else:  # what is new, and the line that it comes before
            text, anchor = file.read_text(), lines[-1]
            assert text.count(f"\n{anchor}\n") == 1, (step["file"], anchor)
            file.write_text(text.replace(f"\n{anchor}\n", "\n" + "\n".join(lines) + "\n"))
        yield probe(directory, recipe)


def test_every_file_is_there() -> None:
    missing = [name for name in _NAMED.findall(RECIPES) if "NAME" not in name and not (ROOT / name).exists()]
    assert missing == []


@pytest.mark.parametrize("recipe", [ATTRIBUTE, VERB, FIELD, DRIVER, CHECK], ids=lambda one: one.title.split()[-1])
def test_a_walk(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(
        "name: demo\nservices:\n  db: {image: box}\n  web: {image: box, greeting: hello}\n"
        if recipe is ATTRIBUTE
        else "name: demo\nservices:\n  db: {image: box}\n  web: {image: box}\n"
    )
    seen = list(walk(tmp_path, recipe))
    expected = [
        {word: told if place < done else _MISSING for place, (word, told) in enumerate(recipe.facts)}
        for done in range(len(recipe.facts) + 1)
    ]
    assert seen == expected
