"""Which services the Compose files at hand declare, for verbs that act on a project without loading its model.

Docker Compose loads the model for every verb, and leaves containers of other services alone. Here the names are read
off the text where that is certain: one plain block mapping under ``services:``, no profiles, nothing included. Everything
else goes to the loader.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_KEY = re.compile(r"([A-Za-z0-9._-]+|\"[^\"\\\\]+\"|'[^']+'):(?:\s|$)")
_LOADER_NEEDED = re.compile(r"^(include|<<|---|\.\.\.|[\"'?{])|\bprofiles\b|\t", re.MULTILINE)


def declared_in(files: Sequence[str]) -> frozenset[str] | None:
    """The services of all ``files``; None when it takes the loader to tell."""
    from .. import files as bounded

    names: set[str] = set()
    for path in files:
        try:
            found = written_services(bounded.text(path))
        except (OSError, UnicodeDecodeError):
            return None
        if found is None:
            return None
        names |= found
    return frozenset(names)


def _goes_on(line: str) -> bool:
    """Whether a quoted or a flow value may go on in the next line, where keys could be no keys."""
    return (
        line.count('"') % 2 == 1
        or line.count("'") % 2 == 1
        or line.count("[") != line.count("]")
        or line.count("{") != line.count("}")
    )


def written_services(text: str) -> set[str] | None:
    """The keys under ``services:``; None when it takes a loader to tell."""
    if _LOADER_NEEDED.search(text):
        return None
    names: set[str] = set()
    depth = -1
    """-1 outside the section, 0 before its first key, then the indentation of its keys."""
    sections = 0
    for line in text.splitlines():
        bare = line.lstrip(" ")
        if not bare or bare.startswith("#"):
            continue
        indentation = len(line) - len(bare)
        if indentation == 0:
            depth = -1
            if bare.startswith("services"):
                if not re.fullmatch(r"services:\s*(#.*)?", bare):
                    return None
                sections += 1
                depth = 0
            continue
        if depth == 0:
            depth = indentation
        if _goes_on(bare):
            return None
        if depth < 0 or indentation > depth:
            continue
        key = _KEY.match(bare)
        if key is None or indentation < depth or bare[key.end() :].lstrip().startswith("!"):
            return None
        names.add(key[1].strip("\"'"))
    return names if sections <= 1 else None
