"""Names of services read off a Compose file's text: exact, or left to the loader."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pycompose.compose.app.outline import outline
from pycompose.compose.errors import LoadError
from pycompose.compose.load import yamltree
from pycompose.compose.load.tree import Map

FILES = sorted((Path(__file__).parents[1] / "golden").rglob("*.yaml"))
LINES = (
    "services:", "services: {a: {image: x}}", "  a:", "  b: {image: x}", "    image: x", "    image: \"x", "   c: y\"", "  'd':",
    "    command: |", "      name: e", "    command: [x,", "    y]", "    - name: f", "name: n", "name: 'm'", "name: \"o\" # p",
    "name: 12", "name: true", "name:", "  q", "name: r", "  s", "", "# name: t", "networks:", "  e: {}", "'name': u", "? name", ": v",
    "x-y: &z", "<<: *z", "---", "name: w]", "]", "x: [", "x: '", "'", "  f: !reset null", "\tname: g", "{name: h}", "volumes: # w",
    "\"na\\u006de\": k", "!!str name: l", "&a name: i",
)  # fmt: skip


def told(text: str) -> tuple[str, set[str]] | None:
    """Name and services by the loader's parser; None for what is no Compose file."""
    name, services = "", set[str]()
    try:
        for document in yamltree.parse(text, "f"):
            if not isinstance(document.tree, Map):
                return None
            given, section = document.tree.get("name"), document.tree.get("services")
            if given is not None and not isinstance(given, str):
                return None
            name = given or name
            services |= set(section) if isinstance(section, Map) else set()
    except LoadError:
        return None
    return name, services


def agrees(text: str) -> bool:
    """Whether the outline says nothing that the loader's parser does not say; True if both say the same."""
    found, true = outline(text), told(text)
    if true is None:
        return True
    assert found.name in (None, true[0]), (text, found, true)
    assert found.services is None or found.services == true[1], (text, found, true)
    return found.name is not None and found.services is not None


def test_nothing_is_told_that_the_loader_would_not_tell() -> None:
    made = random.Random(7)
    sure = 0
    for _ in range(20_000):
        sure += agrees("\n".join(made.choice(LINES) for _ in range(made.randint(1, 7))) + "\n")
    assert sure > 2_000


def test_what_people_write_is_told() -> None:
    assert FILES
    sure = sum(agrees(path.read_text(errors="replace")) for path in FILES)
    assert sure > len(FILES) // 4, f"{sure} of {len(FILES)}"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("services:\n  a: {image: x}\n  b:\n    image: y\n    ports:\n    - 80\n", {"a", "b"}),
        (
            "name: n\nvolumes:\n  v:\nservices: # all\n\n    # none\n    'a-1':\n      command: |\n        b: c\n",
            {"a-1"},
        ),
        ('services:\n  "a.b": {image: x}\nnetworks:\n  c: {}\n', {"a.b"}),
        ("volumes:\n  v:\n", set()),
        ("services: {a: {image: x}}\n", None),
        ("services:\n  a: {image: x, profiles: [p]}\n", None),
        ("include: [other.yaml]\nservices:\n  a: {image: x}\n", None),
        ("services:\n  <<: *other\n  a: {image: x}\n", None),
        ("services:\n  a: {image: x}\n---\nservices:\n  b: {image: x}\n", None),
        ("services:\n\ta: {image: x}\n", None),
        ("services:\n    a: {image: x}\n  b: {image: x}\n", None),
        ("services:\n  a: &base\n    image: x\n  b: *base\n", {"a", "b"}),
        ('services:\n  a:\n    command: "x\n  b: y"\n', None),
        ("services:\n  a:\n    command: 'x\n  b: y'\n", None),
        ("services:\n  a:\n    command: [x,\n  b: y]\n", None),
        ("services:\n  a: {image: x,\n  b: y}\n", None),
        ("services:\n  a: {image: x}\n  b: !reset null\n", None),
    ],
)
def test_written_services(text: str, names: set[str] | None) -> None:
    assert outline(text).services == names
