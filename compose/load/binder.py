"""Binding: a tree of the user's values becomes records with fixed attributes, and every value that does not fit is noted.

A decoder takes the running :class:`Binder`, the value, its key path and place; what does not fit is noted in the binder, and a
zero value returned. The decoders of single values are decode.py; which attribute has which type is bind.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import Diagnostic, Path, dotted
from ..model.values import Duration, Quantity
from .merge import as_map
from .scalars import Timestamp
from .tree import Map, Place, Seq, mark, places_of

if TYPE_CHECKING:
    from collections.abc import Callable

    Decoder = Callable[["Binder", Any, Path, Place | None], Any]


class Record(Map):
    """A bound mapping with fixed attributes, as against one whose keys the user chose."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Field:
    """One attribute: its decoder, whether it is left out when zero, and its name in JSON where that differs."""

    key: str
    decode: Decoder
    omit: bool = True
    label: str = ""


class Binder:
    """Binds one tree, collecting every value that does not fit its type."""

    def __init__(self) -> None:
        self.errors: list[Diagnostic] = []

    def fail(self, message: str, path: Path, place: Place | None) -> None:
        self.errors.append(Diagnostic(message, path, mark(place)))

    def record(self, fields: tuple[Field, ...], value: Any, path: Path, place: Place | None) -> Record | None:
        if value is None:
            return None
        if not isinstance(value, dict):
            self.fail(f"{dotted(path)}: expected a mapping, got {kind(value)}", path, place)
            return None
        out = Record()
        out.place = value.place if isinstance(value, Map) else place
        places = value.places if isinstance(value, Map) else {}
        for field in fields:
            if field.key in value:
                where = places.get(field.key)
                bound = field.decode(self, value[field.key], (*path, field.key), where or place)
                name = field.label or field.key
                if where is not None:
                    out.places[name] = where
                if not (field.omit and is_zero(bound)):
                    out[name] = bound
            elif not field.omit:
                out[field.label or field.key] = field.decode(self, None, (*path, field.key), None)
        own = {field.key for field in fields}
        out.extensions = {key: plain(item) for key, item in value.items() if key.startswith("x-") and key not in own}
        return out


def is_zero(value: Any) -> bool:
    """Whether Go's omitempty would leave it out. Records, durations and `Kept` values never are."""
    if isinstance(value, (Record, Duration)):
        return False
    return (
        value is None or value is False or value == 0 or value == "" or (isinstance(value, (dict, list)) and not value)
    )


def kind(value: Any) -> str:
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


def plain(value: Any) -> Any:
    """A value for output as it stands, keys sorted."""
    if isinstance(value, dict):
        return {key: plain(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, Timestamp):
        return value.rfc3339()
    return str(value) if isinstance(value, Quantity) else value


class Kept:
    """A pointer in the Go model: present even when it points at a zero."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def record(*fields: Field) -> Decoder:
    def decode(run: Binder, value: Any, path: Path, place: Place | None) -> Any:
        return run.record(fields, value, path, place)

    return decode


def embedded(*fields: Field) -> Decoder:
    """A record that is there even when nothing was given."""

    def decode(run: Binder, value: Any, path: Path, place: Place | None) -> Any:
        return run.record(fields, value if value is not None else Map(), path, place)

    return decode


def listed(item: Decoder) -> Decoder:
    def decode(run: Binder, value: Any, path: Path, place: Place | None) -> Any:
        if value is None:
            return Seq()
        if not isinstance(value, list):
            if isinstance(value, dict):
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
    def decode(run: Binder, value: Any, path: Path, place: Place | None) -> Any:
        out = Map()
        if value is None:
            return out
        if not isinstance(value, dict):
            run.fail(f"{dotted(path)}: expected a mapping, got {kind(value)}", path, place)
            return out
        places = as_map(value).places
        for key in sorted(value):
            out.put(key, item(run, value[key], (*path, key), places.get(key) or place), places.get(key))
        return out

    return decode
