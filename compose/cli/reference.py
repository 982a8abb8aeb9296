"""The reference of all commands and flags, from the parsers themselves: what docs/commands.md holds.

Not a verb: a test writes and compares the document, so that it cannot drift.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import TYPE_CHECKING

from .flags import Parser
from .main import GLOBAL_HELP
from .verbs import COMPOSE, GROUPS, PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterator

_INTRODUCTION = """\
# Commands and flags

Written by `pytest --update-golden tests/unit/test_command_reference.py` from the parsers; do not edit. Flags of Docker
Compose v2 that are missing here are refused as unknown; those that can have no effect here say *accepted for
compatibility* and why.
"""


def reference() -> str:
    """The document, in Markdown."""
    lines = [_INTRODUCTION, "```text", GLOBAL_HELP.rstrip(), "```", ""]
    for verb, (module, summary) in sorted({**COMPOSE, **PLAIN}.items()):
        lines += _verb(f"pycompose {verb}", module, summary)
    for group, (summary, table) in sorted(GROUPS.items()):
        lines += [f"## pycompose {group}", "", f"{summary}.", ""]
        for verb, (module, text) in sorted(table.items()):
            lines += _verb(f"pycompose {group} {verb}", f"{group}.{module}", text)
    return "\n".join(lines).rstrip() + "\n"


def _verb(prog: str, module_name: str, summary: str) -> Iterator[str]:
    module = import_module(f".{module_name}", __package__)
    parser = Parser(prog, summary)
    module.add_arguments(parser)
    yield f"### {prog}"
    yield ""
    yield f"{summary}. `{parser.usage_line().removeprefix('Usage:  ')}`"
    yield ""
    rows = [action for action in parser.option_actions() if action.help != argparse.SUPPRESS]
    if rows:
        yield "| Flag | |"
        yield "|---|---|"
    for action in rows:
        names = ", ".join(f"`{name}`" for name in action.option_strings)
        value = f" *{action.metavar}*" if action.nargs != 0 and action.metavar else ""
        yield f"| {names}{value} | {(action.help or '').replace('|', chr(92) + '|')} |"
    if rows:
        yield ""
