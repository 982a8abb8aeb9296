"""The tree every loading phase works on: plain Python scalars in `Map` and `Seq`, which are a dict and a list that
remember where their entries were written.

Also here: `Rules`, a table of functions indexed by path pattern, which is how phases say what applies where. It is not
here to know any Compose key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..errors import Diagnostic, LoadError, Mark, Path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Place = tuple[str, int, int]
"""File, line and column (from 1) of a key or a list item. A tuple, since a large project has tens of thousands."""

T = TypeVar("T")


class Map(dict[str, Any]):
    """A mapping whose ``places`` give the source place of each key that has one.

    ``extensions`` are the ``x-`` keys of a bound record, which only the YAML form shows.
    """

    __slots__ = ("extensions", "place", "places")

    def __init__(self, items: Mapping[str, Any] | Iterable[tuple[str, Any]] = (), place: Place | None = None) -> None:
        super().__init__(items)
        self.place = place
        self.places: dict[str, Place] = {}
        self.extensions: dict[str, Any] = {}

    def put(self, key: str, value: Any, place: Place | None) -> None:
        self[key] = value
        if place is not None:
            self.places[key] = place

    def take(self, key: str, other: Map, value: Any) -> None:
        """Set ``key`` to ``value`` with the place that ``other`` has for that key."""
        self[key] = value
        place = other.places.get(key)
        if place is not None:
            self.places[key] = place


class Seq(list[Any]):
    """A list whose ``places`` run parallel to its items (None where an item was made up)."""

    __slots__ = ("places",)

    def __init__(self, items: Iterable[Any] = (), places: list[Place | None] | None = None) -> None:
        super().__init__(items)
        self.places: list[Place | None] = places if places is not None else [None] * len(self)

    def add(self, value: Any, place: Place | None) -> None:
        self.append(value)
        self.places.append(place)

    def pairs(self) -> Iterator[tuple[Any, Place | None]]:
        places = self.places
        for index, value in enumerate(self):
            yield value, places[index] if index < len(places) else None


def places_of(value: Any) -> list[Place | None]:
    """The places of a list's items, whichever kind of list it is."""
    if isinstance(value, Seq) and len(value.places) == len(value):
        return value.places
    return [None] * len(value)


def clone(value: Any) -> Any:
    """A deep copy of containers, each of its own kind; scalars are shared."""
    if isinstance(value, Map):
        out = type(value)()
        out.update({key: clone(item) for key, item in value.items()})
        out.place, out.places = value.place, dict(value.places)
        out.extensions = value.extensions
        return out
    if isinstance(value, Seq):
        return Seq([clone(item) for item in value], list(value.places))
    if isinstance(value, dict):
        return Map({key: clone(item) for key, item in value.items()})
    if isinstance(value, list):
        return type(value)([clone(item) for item in value])
    return value


def place_at(tree: Any, path: Path) -> Place | None:
    """The place of ``path``, or of the nearest ancestor that has one."""
    found: Place | None = tree.place if isinstance(tree, Map) else None
    node = tree
    for part in path:
        here: Place | None = None
        if isinstance(node, dict) and isinstance(part, str) and part in node:
            here = node.places.get(part) if isinstance(node, Map) else None
            node = node[part]
        elif isinstance(node, list) and isinstance(part, int) and part < len(node):
            here = places_of(node)[part]
            node = node[part]
        else:
            return found
        found = here or found
    return found


def mark(place: Place | None) -> Mark | None:
    return Mark(*place) if place is not None else None


def diagnostic(tree: Any, path: Path, message: str, hint: str = "") -> Diagnostic:
    return Diagnostic(message, path, mark(place_at(tree, path)), hint)


def fail(message: str, path: Path = (), place: Place | None = None, hint: str = "") -> LoadError:
    """A `LoadError` with one finding, to be raised by the caller."""
    return LoadError(Diagnostic(message, path, mark(place), hint))


def flatten_places(tree: Any, path: Path = ()) -> Iterator[tuple[Path, Place]]:
    """Every path that has a place."""
    if isinstance(tree, Map):
        for key, value in tree.items():
            below = (*path, key)
            place = tree.places.get(key)
            if place is not None:
                yield below, place
            if isinstance(value, (dict, list)):
                yield from flatten_places(value, below)
    elif isinstance(tree, Seq):
        for index, (value, place) in enumerate(zip(tree, places_of(tree), strict=True)):
            below = (*path, index)
            if place is not None:
                yield below, place
            if isinstance(value, (dict, list)):
                yield from flatten_places(value, below)


class Rules(Generic[T]):
    """A table from path patterns to rules, held as a trie: ``("services", "*", "ports")``; ``*`` is any key or index."""

    __slots__ = ("below", "rule")

    def __init__(self, table: Mapping[tuple[str, ...], T] | None = None) -> None:
        self.rule: T | None = None
        self.below: dict[str, Rules[T]] = {}
        for pattern, rule in (table or {}).items():
            node = self
            for part in pattern:
                node = node.below.setdefault(part, Rules())
            node.rule = rule

    def step(self, part: str) -> Rules[T] | None:
        """The sub-table for what lies below ``part``; None when no pattern reaches there."""
        found = self.below.get(part)
        return found if found is not None else self.below.get("*")

    def at(self, *path: str) -> Rules[T] | None:
        node: Rules[T] | None = self
        for part in path:
            if node is None:
                return None
            node = node.step(part)
        return node
