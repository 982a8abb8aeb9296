"""Binding: a tree of the user's values becomes records with fixed attributes, and every value that does not fit is noted.

A decoder takes the running :class:`Binder`, the value, its key path and place; what does not fit is noted in the binder, and a
zero value returned. The decoders of single values are decode.py; which attribute has which type is bind.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import Diagnostic, Path, dotted
from ..model.values import Quantity
from .scalars import Timestamp
from .tree import Map, Place, Seq, mark, places_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from .tree import Node

    Decoder = Callable[["Binder", Node, Path, Place | None], Node]


class Record(Map):
    """A bound mapping with fixed attributes, as against one whose keys the user chose."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Field:
    """One attribute: its decoder, whether it is left out when zero, its name in JSON where that differs, and whether a zero that
    was given counts as given (a pointer in the Go model)."""

    key: str
    decode: Decoder
    omit: bool = True
    label: str = ""
    zero: bool = False

    def leaves_out(self, value: Node) -> bool:
        """Whether Go's omitempty would leave it out."""
        return self.omit and (value is None if self.zero else is_zero(value))


class Binder:
    """Binds one tree, collecting every value that does not fit its type."""

    def __init__(self) -> None:
        self.errors: list[Diagnostic] = []

    def fail(self, message: str, path: Path, place: Place | None) -> None:
        self.errors.append(Diagnostic(message, path, mark(place)))

    def record(self, fields: tuple[Field, ...], value: Node, path: Path, place: Place | None) -> Record | None:
        if value is None:
            return None
        if not isinstance(value, Map):
            self.fail(f"{dotted(path)}: expected a mapping, got {kind(value)}", path, place)
            return None
        out = Record((), value.place)
        for field in fields:
            name = field.label or field.key
            if field.key in value:
                where = value.places.get(field.key)
                item = value[field.key]
                absent = field.zero and item is None
                bound = None if absent else field.decode(self, item, (*path, field.key), where or place)
                if where is not None:
                    out.places[name] = where
                if not field.leaves_out(bound):
                    out[name] = bound
            elif not field.omit:
                out[name] = field.decode(self, None, (*path, field.key), None)
        extensions = [key for key in value if key.startswith("x-")]
        if extensions:
            own = {field.key for field in fields}
            out.extensions = {key: plain(value[key]) for key in extensions if key not in own}
        return out


def insert(record: object, fields: tuple[Field, ...], key: str, value: Node, place: Place | None = None) -> None:
    """Set an attribute of a bound record where it stands in the order of ``fields``."""
    assert isinstance(record, Map)
    if key in record:
        record[key] = value
        return
    names = [field.label or field.key for field in fields]
    following = names[names.index(key) + 1 :]
    moved = [(name, record.pop(name)) for name in following if name in record]
    record.put(key, value, place)
    record.update(moved)


def is_zero(value: Node) -> bool:
    """Whether it is nothing, by its type. Records never are."""
    if isinstance(value, Record):
        return False
    return value is None or value is False or value == 0 or value == "" or (isinstance(value, (Map, Seq)) and not value)


def kind(value: object) -> str:
    """A value's type in the user's words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return "a timestamp"


def plain(value: Node) -> Node:
    """A value for output as it stands, keys sorted."""
    if isinstance(value, dict):
        return Map({key: plain(value[key]) for key in sorted(value)})
    if isinstance(value, list):
        return Seq([plain(item) for item in value])
    if isinstance(value, Timestamp):
        return value.rfc3339()
    return str(value) if isinstance(value, Quantity) else value


def record(*fields: Field) -> Decoder:
    def decode(run: Binder, value: Node, path: Path, place: Place | None) -> Node:
        return run.record(fields, value, path, place)

    return decode


def embedded(*fields: Field) -> Decoder:
    """A record that is there even when nothing was given."""

    def decode(run: Binder, value: Node, path: Path, place: Place | None) -> Node:
        return run.record(fields, value if value is not None else Map(), path, place)

    return decode


def listed(item: Decoder) -> Decoder:
    def decode(run: Binder, value: Node, path: Path, place: Place | None) -> Node:
        if value is None:
            return Seq()
        if not isinstance(value, Seq):
            if isinstance(value, Map):
                value = Seq([value])
            else:
                run.fail(f"{dotted(path)}: expected a list, got {kind(value)}", path, place)
                return Seq()
        places = places_of(value)
        return Seq(
            [item(run, part, (*path, index), places[index] or place) for index, part in enumerate(value)], list(places)
        )

    return decode


def keyed(item: Decoder) -> Decoder:
    def decode(run: Binder, value: Node, path: Path, place: Place | None) -> Node:
        out = Map()
        if value is None:
            return out
        if not isinstance(value, Map):
            run.fail(f"{dotted(path)}: expected a mapping, got {kind(value)}", path, place)
            return out
        places = value.places
        for key in sorted(value):
            out.put(key, item(run, value[key], (*path, key), places.get(key) or place), places.get(key))
        return out

    return decode
