"""What the phases that load other files (`extends`, `include`) know of the load that they are part of, and the layers that it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from .tree import Map, Seq

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..errors import Diagnostic, Path
    from . import source
    from .tree import Node, Place


@dataclass(frozen=True, slots=True)
class Layer:
    """What one document, or one base of an ``extends``, contributed after substitution; for `explain`."""

    kind: str
    file: str
    tree: Node


class Loading(Protocol):
    """A load under way; pipeline.py has the one there is."""

    files: source.Files
    environment: source.Environment
    home: str
    base: str
    warnings: list[Diagnostic]
    observe: Callable[[Layer], None] | None

    def local(self, name: str, path: Path, place: Place | None) -> str: ...

    def load_file(
        self, file: str, base: Map, *, included: tuple[str, ...] = (), nested: str = ""
    ) -> tuple[Map, tuple[Path, ...]]: ...

    def load_model(
        self, names: tuple[str, ...], directory: str, *, resolve_paths: bool = True, included: tuple[str, ...] = ()
    ) -> Map: ...

    def child(self, environment: source.Environment, base: str) -> Loading: ...


def clear(tree: Node, patterns: tuple[Path, ...], path: Path = ()) -> None:
    """Remove what ``!reset`` and ``!override`` of a later document point at."""
    if not patterns:
        return
    if isinstance(tree, Map):
        for key in list(tree):
            below = (*path, key)
            if any(matches(below, pattern) for pattern in patterns):
                del tree[key]
            else:
                clear(tree[key], patterns, below)
    elif isinstance(tree, Seq):
        for index, item in enumerate(tree):
            clear(item, patterns, (*path, f"[{index}]"))


def matches(path: Path, pattern: Path) -> bool:
    return len(path) == len(pattern) and all(part in ("*", here) for here, part in zip(path, pattern, strict=True))
