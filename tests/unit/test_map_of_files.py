"""The map in docs/architecture.md: what it names is there, and no room is left out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text()


def rows(side: str) -> list[tuple[str, str]]:
    """Both cells of each row of a side's table."""
    table = TEXT.partition(f"| {side}/ | what for |\n|---|---|\n")[2].partition("\n\n")[0]
    return [(first, rest) for first, _, rest in (line.strip("| ").partition(" | ") for line in table.splitlines())]


@pytest.mark.parametrize("side", ["compose", "engine"])
def test_the_map(side: str) -> None:
    named = [name for first, _ in rows(side) for name in re.findall(r"`([\w./]+)`", first)]
    assert len(named) > 10
    assert [name for name in named if not (ROOT / side / name).exists()] == []
    rooms = {f"{path.parent.name}/" for path in (ROOT / side).glob("*/__init__.py")}
    assert sorted(rooms - set(named)) == []


@pytest.mark.parametrize("side", ["compose", "engine"])
def test_files_within_rooms(side: str) -> None:
    for first, rest in rows(side):
        homes = [ROOT / side / name for name in re.findall(r"`([\w./]+/)`", first)] or [ROOT / side]
        for name in re.findall(r"`([\w./]+(?:\.py|/))`", rest):
            assert any((home / name).exists() for home in [*homes, ROOT / side, ROOT]), (first, name)
