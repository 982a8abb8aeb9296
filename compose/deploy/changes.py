"""What differs between two objects, leaf by leaf, and where the Compose file says so."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from ..errors import Path, dotted
from ..plan.ops import Change

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..model import Project
    from .objects import Wanted

MOST = 12
"""Changes told of one object."""


def differences(old: object, new: object, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Paths at which the two differ, each ``changed``, ``added`` or ``removed``."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            if key not in new:
                yield (*path, key), "removed"
            elif key not in old:
                yield (*path, key), "added"
            else:
                yield from differences(old[key], new[key], (*path, key))
    elif isinstance(old, list) and isinstance(new, list):
        yield from _list_differences(old, new, path)
    elif old != new:
        yield path, "changed"


def _list_differences(old: list[object], new: list[object], path: Path) -> Iterator[tuple[Path, str]]:
    if len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from differences(before, after, (*path, index))
        return
    matcher = difflib.SequenceMatcher(a=[repr(one) for one in old], b=[repr(one) for one in new], autojunk=False)
    for word, first, last, begin, end in matcher.get_opcodes():
        if word in ("insert", "replace"):
            yield from (((*path, index), "added") for index in range(begin, end))
        if word in ("delete", "replace"):
            yield from (((*path, index), "removed") for index in range(first, last))


def described(
    project: Project, wanted: Wanted, found: list[tuple[Path, str]], places: Mapping[Path, Path]
) -> tuple[Change, ...]:
    """Changes with their places. ``places`` gives the key of the file for the longest known start of an object's path."""
    changes = []
    for path, kind in found[:MOST]:
        below = _place(path, places)
        mark = project.mark(*wanted.path, *below) if wanted.path else None
        changes.append(Change(dotted(path), kind, mark))
    return tuple(changes)


def _place(path: Path, places: Mapping[Path, Path]) -> Path:
    words = tuple(part for part in path if isinstance(part, str))
    for length in range(len(words), 0, -1):
        if words[:length] in places:
            return places[words[:length]]
    return ()
