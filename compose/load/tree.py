"""The tree every loading phase works on: plain Python scalars in `Map` and `Seq`, which are a dict and a list that
remember where their entries were written.

Also here: `Rules`, a table of functions indexed by path pattern, which is how phases say what applies where. It is not
here to know any Compose key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar, cast

from ..errors import Diagnostic, LoadError, Mark, Path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import TypeAlias

    from .scalars import Scalar

    Node: TypeAlias = "Scalar | Map | Seq"
    """A value of a tree."""

Place = tuple[str, int, int]
"""File, line and column (from 1) of a key or a list item. A tuple, since a large project has tens of thousands."""

T = TypeVar("T")


class Placed(dict[str, T]):
    """A mapping whose ``places`` give the source place of each key that has one.

    ``extensions`` are the ``x-`` keys of a bound record, which only the YAML form shows.
    """

    __slots__ = ("extensions", "place", "places")

    def __init__(self, items: Mapping[str, T] | Iterable[tuple[str, T]] = (), place: Place | None = None) -> None:
        super().__init__(items)
        self.place = place
        self.places: dict[str, Place] = {}
        self.extensions: dict[str, Node] = {}

    def put(self, key: str, value: T, place: Place | None) -> None:
        self[key] = value
        if place is not None:
            self.places[key] = place

    def take(self, key: str, other: Placed[T], value: T) -> None:
        """Set ``key`` to ``value`` with the place that ``other`` has for that key."""
        self[key] = value
        place = other.places.get(key)
        if place is not None:
            self.places[key] = place


class Map(Placed["Node"]):
    """A mapping of a tree."""

    __slots__ = ()


class Section(Placed[T]):
    """Services, networks … of a bound project by name."""

    __slots__ = ()


class Seq(list["Node"]):
    """A list whose ``places`` run parallel to its items (None where an item was made up)."""

    __slots__ = ("places",)

    def __init__(self, items: Iterable[Node] = (), places: list[Place | None] | None = None) -> None:
        super().__init__(items)
        self.places: list[Place | None] = places if places is not None else [None] * len(self)

    def add(self, value: Node, place: Place | None) -> None:
        self.append(value)
        self.places.append(place)

    def pairs(self) -> Iterator[tuple[Node, Place | None]]:
        places = self.places
        for index, value in enumerate(self):
            yield value, places[index] if index < len(places) else None


def places_of(value: list[Node]) -> list[Place | None]:
    """The places of a list's items, whichever kind of list it is."""
    if isinstance(value, Seq) and len(value.places) == len(value):
        return value.places
    return [None] * len(value)


def places_in(value: object) -> dict[str, Place]:
    """The places of a mapping's keys; empty for one that has none."""
    return value.places if isinstance(value, Placed) else {}


def map_at(tree: Node, *keys: str) -> Map | None:
    """The mapping at ``keys``; None where there is none, or something else."""
    for key in keys:
        tree = tree.get(key) if isinstance(tree, Map) else None
    return tree if isinstance(tree, Map) else None


def maps_in(tree: Map, section: str) -> Iterator[tuple[str, Map]]:
    """The mappings of a section by name."""
    for name, value in (map_at(tree, section) or {}).items():
        if isinstance(value, Map):
            yield name, value


def list_at(tree: Node, *keys: str) -> Seq | None:
    """The list at ``keys``; None where there is none, or something else."""
    *above, last = keys
    holder = map_at(tree, *above)
    found = holder.get(last) if holder is not None else None
    return found if isinstance(found, Seq) else None


def clone(value: T) -> T:
    """A deep copy of containers, each of its own kind; scalars are shared."""
    return cast("T", _clone(value))


def _clone(value: object) -> object:
    if isinstance(value, Placed):
        out = type(value)()
        out.update({key: _clone(item) for key, item in value.items()})
        out.place, out.places = value.place, dict(value.places)
        out.extensions = value.extensions
        return out
    if isinstance(value, Seq):
        return type(value)([cast("Node", _clone(item)) for item in value], list(value.places))
    # From the cache a project comes in plain containers.
    return as_tree(value) if isinstance(value, (dict, list)) else value


def as_tree(value: object) -> Node:
    """Plain containers as a tree without places."""
    if isinstance(value, dict):
        return Map({key: as_tree(item) for key, item in value.items()})
    if isinstance(value, list):
        return Seq([as_tree(item) for item in value])
    return cast("Scalar", value)


def place_at(tree: object, path: Path) -> Place | None:
    """The place of ``path``, or of the nearest ancestor that has one."""
    found: Place | None = tree.place if isinstance(tree, Placed) else None
    node = tree
    for part in path:
        here: Place | None = None
        if isinstance(node, dict) and isinstance(part, str) and part in node:
            here = node.places.get(part) if isinstance(node, Placed) else None
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


def diagnostic(tree: object, path: Path, message: str, hint: str = "") -> Diagnostic:
    return Diagnostic(message, path, mark(place_at(tree, path)), hint)


def fail(message: str, path: Path = (), place: Place | None = None, hint: str = "") -> LoadError:
    """A `LoadError` with one finding, to be raised by the caller."""
    return LoadError(Diagnostic(message, path, mark(place), hint))


def flatten_places(tree: object, path: Path = ()) -> Iterator[tuple[Path, Place]]:
    """Every path that has a place."""
    if isinstance(tree, Placed):
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
