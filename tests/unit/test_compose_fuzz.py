"""Mutated Compose files: whatever comes in, a project or a LoadError comes out, soon and in bounded memory."""

from __future__ import annotations

import random
import resource
import time
from pathlib import Path

import pytest

from pycompose.compose.errors import ComposeError
from pycompose.compose.load import dump, yamldump
from pycompose.compose.load.pipeline import load_project
from pycompose.compose.model import LoadOptions

SEEDS = sorted((Path(__file__).parents[1] / "golden" / "compose").glob("*/*.yaml"))
ATOMS = ["&a", "*a", "<<: *a", "!reset", "!override", "[", "]", "{", "}", ":", "- ", "\n", "  ", "\t", "null", "~", "'", '"', "|", ">", "${", "}", "$A", "${A:-", "1e999", "0x", "-0", "\x00", "\ufeff", "é", "---\n", "x-a", "services:", "2001-01-01", "!!binary x", "? ", "%YAML 1.1\n", "9" * 40]  # fmt: skip
SECONDS = 2.0


def mutate(text: str, chance: random.Random) -> str:
    for _ in range(chance.randint(1, 6)):
        at, to = sorted((chance.randrange(len(text) + 1), chance.randrange(len(text) + 1)))
        kind = chance.randrange(6)
        if kind == 0:
            text = text[:at] + chance.choice(ATOMS) + text[at:]
        elif kind == 1:
            text = text[:at] + text[min(to, at + 40) :]
        elif kind == 2:
            text = text[:to] + text[at : min(to, at + 60)] + text[to:]
        elif kind == 3:
            lines = text.split("\n")
            chance.shuffle(lines)
            text = "\n".join(lines)
        elif kind == 4:
            text = text[:at] + chr(chance.randrange(1, 0x250)) + text[at + 1 :]
        else:
            lines = text.split("\n")
            row = chance.randrange(len(lines))
            lines[row] = " " * chance.randrange(8) + lines[row].strip()
            text = "\n".join(lines)
    return text


def run(text: str) -> None:
    started = time.monotonic()
    try:
        project = load_project(LoadOptions(files=("-",), stdin=text, cwd=Path("/nowhere"), project_name="p"))
        dump.to_json(project)
        yamldump.to_yaml(project)
    except ComposeError as error:
        assert str(error)
        assert len(str(error)) < 1_000_000
    assert time.monotonic() - started < SECONDS


def rounds(count: int, seed: int) -> None:
    chance = random.Random(seed)
    texts = [path.read_text() for path in SEEDS]
    for _ in range(count):
        run(mutate(chance.choice(texts), chance))


def test_mutations() -> None:
    rounds(400, 1)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_mutations_for_minutes() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    end = time.monotonic() + 600
    seed = 2
    while time.monotonic() < end:
        rounds(200, seed)
        seed += 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "services:\n" + "".join(f"  s{index}: {{image: x, labels: [a{index}=b]}}\n" for index in range(60_000)),
        "x-a: " + "a" * 10_000_000,
        "services: {a: {image: x, environment: [" + ",".join(f"A{index}=1" for index in range(200_000)) + "]}}",
        "services: {a: {image: '" + "${A:-" * 5000 + "}" * 5000 + "'}}",
        "x-a: " + "'" + "$" * 1_000_001 + "'",
    ],
    ids=["services", "scalar", "list", "nesting", "dollars"],
)
def test_huge_files_end(text: str) -> None:
    try:
        load_project(LoadOptions(files=("-",), stdin=text, cwd=Path("/nowhere"), project_name="p"))
    except ComposeError as error:
        assert len(str(error)) < 20_000_000
