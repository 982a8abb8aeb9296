"""Files that share names: those that include each other, a file and its override, and what `extends` takes from others.

Names are shared by what is merged into one project. A file that services are only extended from keeps its own services; what
they refer to and the file itself does not define belongs to the project that extends them.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from ..load.source import DEFAULT_NAMES, OVERRIDE_NAMES
from . import symbols

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from .symbols import Symbol

FILE_LIMIT = 1 << 20
"""Bytes of a file that is looked at for names."""

FILES = 1000
"""So many files of a workspace are looked at."""


class Occurrence(NamedTuple):
    path: str
    symbol: Symbol


class Member(NamedTuple):
    """A file: ``joined`` are merged with it into one project, ``extended`` those that services are taken from; those with variables
    in their names as they are written."""

    symbols: tuple[Symbol, ...]
    joined: tuple[str, ...]
    extended: tuple[str, ...]

    def expanded(self, path: str, expand: Callable[[str, str], str]) -> Member:
        """With names that have variables in them as the files that they mean."""
        joined, extended = (
            tuple(_beside(path, expand(path, one)) if "$" in one else one for one in names)
            for names in (self.joined, self.extended)
        )
        return self._replace(joined=joined, extended=extended)


class Family:
    """The files around ``path``. ``texts`` are those of every file that may belong to it, by normalised path; ``together`` are files
    that are loaded as one project; ``expand`` replaces the variables of a name that is written in a file."""

    def __init__(
        self,
        path: str,
        texts: Mapping[str, str],
        together: Iterable[Sequence[str]] = (),
        expand: Callable[[str, str], str] = lambda path, name: name,
    ) -> None:
        self._expand = expand
        members = {name: _member(name, text).expanded(name, expand) for name, text in texts.items()}
        overrides = _overrides(members)
        for first, *others in together:
            overrides.setdefault(first, []).extend(others)
        near: dict[str, set[str]] = {name: set() for name in members}
        merged: dict[str, set[str]] = {name: set() for name in members}
        for name, one in members.items():
            for other in (*one.joined, *overrides.get(name, ())):
                if other in members:
                    merged[name].add(other)
                    merged[other].add(name)
            for other in one.extended:
                if other in members:
                    near[name].add(other)
                    near[other].add(name)
        around = {name: near[name] | merged[name] for name in members}
        self._members = {name: members[name] for name in sorted(_reached(path, around))}
        self._space = {name: min(_reached(name, merged)) for name in self._members}
        self._defined = {
            (self._space[name], symbol.kind, symbol.name)
            for name, one in self._members.items()
            for symbol in one.symbols
            if symbol.defines
        }
        self._extenders: dict[str, set[str]] = {}
        for name, one in self._members.items():
            for other in one.extended:
                if other in self._space and self._space[other] != self._space[name]:
                    self._extenders.setdefault(self._space[other], set()).add(self._space[name])

    def file(self, path: str, name: str) -> str:
        """The file that a name in ``path`` means."""
        return _beside(path, self._expand(path, name) if "$" in name else name)

    def _owner(self, path: str, symbol: Symbol) -> str:
        """The project that a name belongs to, by the first of its files."""
        if symbol.file:
            return self._space.get(_beside(path, symbol.file), symbol.file)
        own = self._space[path]
        for space in (own, *sorted(_reached(own, self._extenders) - {own})):
            if (space, symbol.kind, symbol.name) in self._defined:
                return space
        return own

    def occurrences(self, path: str, symbol: Symbol) -> list[Occurrence]:
        """Every place of the name that ``symbol`` in ``path`` is, by file and line."""
        if path not in self._members:
            return []
        owner = self._owner(path, symbol)
        return [
            Occurrence(name, each)
            for name, one in self._members.items()
            for each in one.symbols
            if each[:2] == symbol[:2] and self._owner(name, each) == owner
        ]

    def taken(self, path: str, symbol: Symbol, name: str) -> bool:
        """Whether something of the same kind there has this name."""
        return path in self._members and (self._owner(path, symbol), symbol.kind, name) in self._defined


def _reached(start: str, near: Mapping[str, Iterable[str]]) -> set[str]:
    found, waiting = {start}, [start]
    while waiting:
        for other in near.get(waiting.pop(), ()):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


@lru_cache(maxsize=2 * FILES)
def _member(path: str, text: str) -> Member:
    joined, extended = symbols.linked(text)
    return Member(
        tuple(symbols.symbols(text)),
        tuple(one if "$" in one else _beside(path, one) for one in joined),
        tuple(one if "$" in one else _beside(path, one) for one in extended),
    )


def _beside(path: str, name: str) -> str:
    return os.path.normpath(os.path.join(os.path.dirname(path), name))


def _overrides(members: Iterable[str]) -> dict[str, list[str]]:
    """Of each directory's file with a default name: the override that is loaded with it."""
    known, found = set(members), {}
    for directory in {os.path.dirname(name) for name in known}:
        base, over = (
            next((name for one in names if (name := os.path.join(directory, one)) in known), "")
            for names in (DEFAULT_NAMES, OVERRIDE_NAMES)
        )
        if base and over:
            found[base] = [over]
    return found


def candidates(path: str, roots: Iterable[str]) -> list[str]:
    """YAML files of the workspace, and of the file's own directory, that may belong to its family; hidden directories and those
    of packages are none of it."""
    found: dict[str, None] = {path: None}
    for root, deep in ((os.path.dirname(path), False), *((one, True) for one in roots)):
        for directory, below, names in os.walk(root):
            below[:] = sorted(one for one in below if deep and one[0] != "." and one != "node_modules")
            for name in sorted(names):
                if name.endswith((".yaml", ".yml")):
                    found[os.path.normpath(os.path.join(directory, name))] = None
            if len(found) >= FILES:
                break
    return list(found)[:FILES]


def read(path: str) -> str | None:
    """A file on disk; None for what is no file, too large or not text."""
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > FILE_LIMIT:
            return None
        with open(path, encoding="utf-8") as source:
            return source.read(FILE_LIMIT)
    except (OSError, ValueError):
        return None
