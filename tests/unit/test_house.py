"""What the code is measured by: each count is printed, and may only go down. Lower a ceiling when you have got below it.

Counted are `compose/`, `engine/` and `pycompose/`, without generated modules. Import circles count with imports that only type
checkers follow, for a reader follows them too.
"""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import grimp
import networkx
import pytest

ROOT = Path(__file__).resolve().parents[2]
RUFF = Path(sys.executable).with_name("ruff")
ROOTS = ("compose", "engine", "pycompose")
LINES = 450

LOOSE = {
    "compose/archives.py": "tar streams of `cp`, `watch` and builds: no layer's own",
    "compose/contents.py": "what configs and secrets hold: read by digest and conversion alike",
    "compose/dataclass.py": "the decorator of every value class",
    "compose/errors.py": "the error tree",
    "compose/files.py": "files that others name, read within bounds",
    "compose/labels.py": "labels and names on the engine: planning, conversion and the application use them",
    "compose/shortforms.py": "short forms of volumes and commands, of files and flags alike",
    "compose/status.py": "the words of a listing's status",
    "engine/__main__.py": "the process",
    "engine/bounds.py": "limits on what others send",
    "engine/bridge.py": "the loop's way to threads",
    "engine/documents.py": "versions of what outlives a process",
    "engine/errors.py": "the error tree",
    "engine/events.py": "what happened, for whoever listens",
    "engine/idle.py": "when an engine that nobody needs may leave",
    "engine/journal.py": "the log one can operate by",
    "engine/layout.py": "every path on disk",
    "engine/loglines.py": "a line of the log, for the engine and for those that load no logging",
    "engine/meters.py": "what /metrics counts",
    "engine/refusals.py": "what the machine refuses, in words",
    "engine/shapes.py": "JSON of others, checked to its leaves",
    "engine/store.py": "records",
    "engine/timestamps.py": "times as the API reads and writes them",
    "engine/trash.py": "what is deleted behind the answer",
    "engine/watchdog.py": "turns of the loop that take too long",
}
"""Modules in no room of their own, each with the reason."""


class Count(NamedTuple):
    ceiling: int
    places: list[str]


def sources() -> list[Path]:
    found = [path for root in ROOTS for path in (ROOT / root).rglob("*.py") if "_pb2" not in path.name]
    return [
        path
        for path in found
        if not path.relative_to(ROOT).as_posix().startswith(("pycompose/compose", "pycompose/engine"))
    ]


def matching(pattern: str) -> list[str]:
    """Every match as ``file:line``."""
    compiled = re.compile(pattern)
    return [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sources()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for _ in compiled.findall(line)
    ]


def ruff(rule: str, setting: str) -> list[str]:
    done = subprocess.run(
        [str(RUFF), "check", "--isolated", "--select", rule, "--config", setting, "--output-format", "concise", *ROOTS],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    return [
        line for line in done.stdout.splitlines() if f": {rule} " in line and not line.startswith("pycompose/compose")
    ]


@cache
def circles() -> list[str]:
    """The modules of each circle, that of one being all that can be reached from it and reach it."""
    graph = grimp.build_graph("pycompose", exclude_type_checking_imports=False)
    imports: networkx.DiGraph[str] = networkx.DiGraph()
    imports.add_edges_from(
        (one, other) for one in graph.modules for other in graph.find_modules_directly_imported_by(one)
    )
    components = networkx.strongly_connected_components(imports)
    return sorted(" ".join(sorted(one)) for one in components if len(one) > 1)


def loose() -> list[str]:
    found = [path.relative_to(ROOT).as_posix() for half in ("compose", "engine") for path in (ROOT / half).glob("*.py")]
    return sorted(set(found) - set(LOOSE) - {"compose/__init__.py", "engine/__init__.py"})


COUNTS = {
    "dict[str, Any] and Mapping[str, Any]": lambda: Count(5, matching(r"(?:dict|Mapping)\[str, Any\]")),
    "lines with Any": lambda: Count(39, sorted(set(matching(r"\bAny\b")))),
    "functions over complexity 15": lambda: Count(0, ruff("C901", "lint.mccabe.max-complexity=15")),
    "functions with more than seven parameters": lambda: Count(1, ruff("PLR0913", "lint.pylint.max-args=7")),
    f"files over {LINES} lines": lambda: Count(
        0, [str(path.relative_to(ROOT)) for path in sources() if len(path.read_text().splitlines()) > LINES]
    ),
    "import circles": lambda: Count(0, circles()),
    "loose modules without a reason": lambda: Count(0, loose()),
}


@pytest.mark.parametrize("name", COUNTS)
def test_count(name: str) -> None:
    count = COUNTS[name]()
    print(f"{name}: {len(count.places)}, at most {count.ceiling}")
    assert len(count.places) <= count.ceiling, f"{len(count.places)} {name}:\n" + "\n".join(count.places[-40:])


def test_every_reason_has_its_module() -> None:
    assert [name for name in LOOSE if not (ROOT / name).exists()] == []
