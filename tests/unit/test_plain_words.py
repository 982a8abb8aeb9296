"""Comments, docstrings, messages and documentation use the field's words; images of our own are put into them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOTS = ("compose", "engine", "pycompose", "schemas", "docs", "examples")

INSTEAD = {
    r"strangers?": "untrusted, other clients, somebody else's: say who",
    r"the door|its door": "the socket, the listener",
    r"last words": "the end of the log, the exit status",
    r"reborn|born": "started, created",
    r"when (?:its|their) owners? goes": "when its owner exits",
    r"has (?:no|an) ear for": "handles the signal",
    r"must be got": "say what has to be there",
}
"""What is not said, as a pattern of whole words, and what is."""

KEPT = {
    "docs/screens.md": "test_strangers.py",  # the name of a file
    "docs/security.md": "test_strangers.py",
}


def test_images_of_our_own() -> None:
    pattern = re.compile(rf"(?<![\w.-])(?:{'|'.join(INSTEAD)})(?![\w-])", re.IGNORECASE)
    files = [
        path for root in ROOTS for path in (ROOT / root).rglob("*") if path.suffix in (".py", ".md", ".json", ".yaml")
    ]
    files += ROOT.glob("*.md")
    found = []
    for path in files:
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(("pycompose/compose", "pycompose/engine", "pycompose/schemas", "pycompose/site")):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            words = line.replace(KEPT.get(name, "\0"), "")
            found += [f"{name}:{number}: {hit.group()}" for hit in pattern.finditer(words)]
    assert found == [], INSTEAD
