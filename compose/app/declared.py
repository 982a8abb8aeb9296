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

    from .session import Session

_KEY = re.compile(r"([A-Za-z0-9._-]+|\"[^\"\\\\]+\"|'[^']+'):(?:\s|$)")
_LOADER_NEEDED = re.compile(r"^(include|<<|---|\.\.\.|[\"'?{])|\bprofiles\b|\t", re.MULTILINE)


def declared_services(session: Session) -> frozenset[str] | None:
    """Enabled services; None where there is no file, or none that loads: then what the engine has recorded counts."""
    files = session.identity.files
    if not files:
        return None
    return _written_in(files) or _loaded(session)


def _loaded(session: Session) -> frozenset[str] | None:
    from ..errors import LoadError

    try:
        return frozenset(session.project.services)
    except LoadError:
        return None


def _written_in(files: Sequence[str]) -> frozenset[str] | None:
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
        if depth < 0 or indentation > depth:
            continue
        key = _KEY.match(bare)
        if key is None or indentation < depth:
            return None
        names.add(key[1].strip("\"'"))
    return names if sections <= 1 else None
