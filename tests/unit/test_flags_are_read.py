"""Every flag that is offered is read by its verb, or its help says that it means nothing."""

from __future__ import annotations

import argparse
import ast
import importlib
import re
from functools import cache
from pathlib import Path

import pytest

import pycompose.compose.cli as cli
from pycompose.compose.cli.flags.parser import Parser

ROOT = Path(str(cli.__file__)).parent
MEANS_NOTHING = re.compile(r"^Accepted for compatibility|^Ignored|\(always|Windows only|it always does")
BY_NAME = re.compile(r"getattr\(args, (?:name|field)\)")
"""How a module reads flags that stand in a table of its own."""


@cache
def imports(path: Path) -> tuple[Path, ...]:
    """The modules of the command line that a module imports, wherever it does so."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = path.parents[node.level - 1]
            names = [node.module] if node.module else []
            names += [f"{node.module}.{one.name}" if node.module else one.name for one in node.names]
            found += [base.joinpath(*name.split(".")).with_suffix(".py") for name in names]
    return tuple(one for one in found if one.exists() and ROOT in one.parents)


def reach(path: Path) -> str:
    """The text of the module and of all of the command line that it uses."""
    seen: dict[Path, None] = {}
    pending = [path]
    while pending:
        one = pending.pop()
        if one not in seen:
            seen[one] = None
            pending += imports(one)
    return "\n".join(one.read_text() for one in seen)


VERBS = sorted(path for path in ROOT.glob("verbs/**/*.py") if "def add_arguments" in path.read_text())


@pytest.mark.parametrize("path", VERBS, ids=[str(path.relative_to(ROOT)) for path in VERBS])
def test_flags_are_read(path: Path) -> None:
    module = importlib.import_module(".".join((cli.__name__, *path.relative_to(ROOT).with_suffix("").parts)))
    parser = Parser("x", "")
    module.add_arguments(parser)
    text = reach(path)
    unread = [
        "/".join(action.option_strings)
        for action in parser.option_actions()
        if action.help != argparse.SUPPRESS
        and action.dest != "help"
        and not MEANS_NOTHING.search(action.help or "")
        and not (BY_NAME.search(text) and f'"{action.dest}"' in text)
        and not re.search(rf'\bargs\.{action.dest}\b|getattr\((?:self\._)?args, "{action.dest}"', text)
    ]
    assert unread == [], "offered and dropped"
