"""What stands plainly in a Compose file, read off its lines: the project's name, and the services that it declares.

The one reader besides the loader, for commands that need no more than this: importing the YAML library takes half of the time
that `ps` may take. So it tells only what is certain, and leaves everything else to the loader; a test holds it against the
loader's parser on files that are made at random.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from .. import files as bounded
from ..labels import valid_project_name

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAME = re.compile(r"(?:name|\"name\"|'name')\s*:(?:[ \t]+(.*?))?[ \t]*(?:[ \t]#.*)?")
_SERVICE = re.compile(r"([A-Za-z0-9._-]+|\"[^\"\\\\]+\"|'[^']+'):(?:\s|$)")
_LOADER_NEEDED = re.compile(r"^(include|<<|---|\.\.\.|[\"'?{])|\bprofiles\b|\t", re.MULTILINE)
_INDENTED = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]+[^\s#]")
_ODD_KEY = re.compile(r"<<|[?!&*{|>]|\"[^\"]*\\")
_NO_STRINGS = ("true", "false", "null")


class Outline(NamedTuple):
    """``name`` is "" where none is written. None, for either: it takes a loader to tell."""

    name: str | None
    services: frozenset[str] | None


def outline(text: str) -> Outline:
    """What ``text`` says for certain."""
    if _INDENTED.match(text):
        return Outline(None, None)
    return Outline(_name(text), None if _LOADER_NEEDED.search(text) else _services(text))


def written_name(paths: Sequence[str]) -> str | None:
    """The last plain top-level ``name:`` of several files; "" when there is none; None when it takes a loader to tell."""
    result = ""
    for path in paths:
        try:
            found = None if path == "-" else outline(bounded.text(path, errors="replace")).name
        except OSError:
            return None
        if found is None:
            return None
        result = found or result
    return result


def declared_in(paths: Sequence[str]) -> frozenset[str] | None:
    """The services of all files; None when it takes the loader to tell.

    Docker Compose loads the model for every verb, and leaves containers of other services alone.
    """
    names: set[str] = set()
    for path in paths:
        try:
            found = outline(bounded.text(path)).services
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


def _name(text: str) -> str | None:
    if text.lstrip().startswith("{"):
        return None
    result = ""
    certain = begins = True
    just_named = False
    for line in text.splitlines():
        bare = line.strip()
        if line.startswith("---"):
            begins = True
            just_named = False
            if bare != "---":
                return None
            continue
        if begins and bare and not bare.startswith("#"):
            begins = False
            if line[0] in " \t":
                return None  # a document whose keys are indented
        found = _NAME.fullmatch(line)
        plain = _plain(found[1] or "") if found is not None else ""
        # A scalar may go on in the next line, a key be written in other ways, and another mapping be merged.
        goes_on = just_named and line.startswith(" ") and bare != ""
        if plain is None or (found is not None and not certain) or goes_on or _ODD_KEY.match(line):
            return None
        result = plain or result
        just_named = found is not None or (just_named and bare == "")
        certain = certain and not _goes_on(line)
    return result


def _plain(value: str) -> str | None:
    """The name that a scalar is, if it is one that may be a project's as it stands."""
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1] if valid_project_name(value[1:-1]) else None
    # A number, a truth value or a date is no text.
    is_text = value[:1].isalpha() and value not in _NO_STRINGS
    return value if is_text and valid_project_name(value) else None


def _services(text: str) -> frozenset[str] | None:
    """The keys under ``services:``; None when it takes a loader to tell."""
    names: set[str] = set()
    depth = -1
    """-1 outside the section, 0 before its first key, then the indentation of its keys."""
    sections = 0
    for line in text.splitlines():
        bare = line.lstrip(" ")
        if not bare or bare.startswith("#"):
            continue
        indentation = len(line) - len(bare)
        if _goes_on(bare):
            return None
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
        key = _SERVICE.match(bare)
        if key is None or indentation < depth or bare[key.end() :].lstrip().startswith("!"):
            return None
        names.add(key[1].strip("\"'"))
    return frozenset(names) if sections <= 1 else None
