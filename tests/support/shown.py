"""The blocks of the documentation, and what becomes of each: the comment above it says so.

| comment | the block |
|---|---|
| ``<!-- run -->`` | is run by a shell |
| ``<!-- file: NAME -->`` | becomes a file that later blocks, or what is run after it, read |
| ``<!-- not run: REASON -->`` | is not run here, and why |

``<!-- run`` with commands up to ``-->`` is run as well and shown to nobody: what makes or looks at that which a page talks about.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
WALKS = ROOT / "docs" / "contributing.md"
"""Its blocks are edits, which tests/unit/test_recipes.py makes."""

PAGES = sorted(path for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")) if path != WALKS)
LANGUAGES = ("sh", "yaml", "python")
"""What can be run or read; other blocks show output or a drawing."""

_BLOCK = re.compile(
    r"^<!-- run\n(?P<hidden>.*?)^-->$"
    r"|^(?:<!-- (?P<what>run|(?P<how>file|not run): (?P<word>.+?)|up-command|test-command) -->\n)?"
    r"(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """``what``: run, file, not run, or nothing where no comment says; ``word``: the file's name, or the reason."""

    line: int
    language: str
    text: str
    what: str
    word: str = ""


def blocks(page: str) -> Iterator[Block]:
    for found in _BLOCK.finditer(page):
        line = page.count("\n", 0, found.start()) + 1
        if found["hidden"] is not None:
            yield Block(line, "sh", found["hidden"], "run")
        else:
            yield Block(
                line, found["language"], found["text"], found["how"] or found["what"] or "", found["word"] or ""
            )


def commands(script: str) -> Iterator[list[str]]:
    """The words of each `pycompose` command of a script, without the command's own name."""
    for line in script.splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if not set(word) <= set(";&|"):
                words.append(word)
                continue
            while words and re.fullmatch(r"\w+=.*", words[0]):
                del words[0]
            if words and words[0].rpartition("/")[2] == "pycompose":
                yield words[1:]
            words = []
