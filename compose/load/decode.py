"""Decoders: one function per type of attribute, from a canonical value to the value that `config` shows.

Their form is binder.py's; which attribute has which type is bind.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...grammar import durations, sizes
from .. import shortforms
from ..errors import dotted
from ..model.values import Duration, Exposed, Restart, Size
from .binder import Record, kind, plain
from .interpolate import to_boolean
from .scalars import float32, integer, text
from .tree import Map, Seq, places_of

if TYPE_CHECKING:
    from ..errors import Path
    from .binder import Binder
    from .tree import Node, Place

    Pair = tuple[str, Node, Place | None]


def string(run: Binder, value: Node, path: Path, place: Place | None) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and value < 1 << 63:
        return str(value)
    run.fail(f"{dotted(path)}: expected a string, got {kind(value)}", path, place)
    return ""


def switch(run: Binder, value: Node, path: Path, place: Place | None) -> str:
    """A boolean or a setting, as text."""
    return string(run, text(value) if isinstance(value, bool) else value, path, place)


def boolean(run: Binder, value: Node, path: Path, place: Place | None) -> bool:
    if isinstance(value, bool):
        return value
    if value is None:
        return False
    if isinstance(value, str):
        try:
            return to_boolean(value)
        except ValueError as error:
            run.fail(f"{dotted(path)}: {error}", path, place)
            return False
    run.fail(f"{dotted(path)}: expected a boolean, got {kind(value)}", path, place)
    return False


def whole(run: Binder, value: Node, path: Path, place: Place | None) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        if value >= 1 << 63:
            run.fail(f"{dotted(path)}: {value} is too large", path, place)
        return value
    if isinstance(value, float):
        return int(value)
    if value is None:
        return 0
    if isinstance(value, str):
        try:
            return int(value) if value.lstrip("+-").isdecimal() else integer(value)
        except ValueError:
            run.fail(f"{dotted(path)}: {value!r} is not a whole number", path, place)
            return 0
    run.fail(f"{dotted(path)}: expected a number, got {kind(value)}", path, place)
    return 0


def natural(run: Binder, value: Node, path: Path, place: Place | None) -> int:
    if isinstance(value, str):
        run.fail(f"{dotted(path)}: expected a number, got a string", path, place)
        return 0
    number = whole(run, value, path, place)
    if number < 0:
        run.fail(f"{dotted(path)}: {number} must not be negative", path, place)
    return number


def single_float(run: Binder, value: Node, path: Path, place: Place | None) -> Float32 | None:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            run.fail(f"{dotted(path)}: {value!r} is not a number", path, place)
            return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Float32(value)
    if value is not None:
        run.fail(f"{dotted(path)}: expected a number, got {kind(value)}", path, place)
    return None


class Float32(float):
    """A single-precision number, printed with as few digits as it needs."""

    __slots__ = ()

    def __new__(cls, value: float) -> Float32:
        return super().__new__(cls, float32(float(value)))


def size(run: Binder, value: Node, path: Path, place: Place | None) -> Size:
    """Bytes."""
    number = 0
    if isinstance(value, int) and not isinstance(value, bool):
        if value >= 1 << 63:
            run.fail(f"{dotted(path)}: {value} is too large", path, place)
        number = value
    elif isinstance(value, str):
        try:
            number = sizes.parse(value)
        except ValueError as error:
            run.fail(f"{dotted(path)}: {error}", path, place)
    return Size(number)


def duration(run: Binder, value: Node, path: Path, place: Place | None) -> Duration | None:
    """A duration; None for what is none."""
    try:
        return Duration(durations.parse(text(value)))
    except ValueError as error:
        run.fail(f"{dotted(path)}: {error}", path, place)
        return None


def restart(run: Binder, value: Node, path: Path, place: Place | None) -> Restart:
    """A restart policy; what is wrong with one is said when containers are to be made, as by Docker Compose."""
    return Restart(string(run, value, path, place))


def exposed(run: Binder, value: Node, path: Path, place: Place | None) -> Seq:
    """Ports without a host's."""
    found = texts(run, value, path, place)
    return Seq([Exposed(text(item)) for item in found], list(found.places))


def command(run: Binder, value: Node, path: Path, place: Place | None) -> Words | None:
    """Words of a command, or None when nothing was given; an empty list clears the image's."""
    if isinstance(value, str):
        try:
            return Words(shortforms.split_command(value))
        except ValueError as error:
            run.fail(f"{dotted(path)}: {error}: {value!r}", path, place)
            return None
    if isinstance(value, Seq):
        return Words(
            string(run, item, (*path, i), where)
            for i, (item, where) in enumerate(zip(value, places_of(value), strict=True))
        )
    return None


class Words(Seq):
    """A command; an empty one is not the same as none."""

    __slots__ = ()


def health_test(run: Binder, value: Node, path: Path, place: Place | None) -> Seq:
    if isinstance(value, str):
        return Seq(["CMD-SHELL", value])
    if isinstance(value, Seq):
        return Seq([string(run, item, (*path, index), place) for index, item in enumerate(value)])
    run.fail(f"{dotted(path)}: expected a string or a list, got {kind(value)}", path, place)
    return Seq()


def strings(run: Binder, value: Node, path: Path, place: Place | None) -> Seq:
    """A list of strings; one string stands for a list of one."""
    if isinstance(value, str):
        return Seq([value], [place])
    if isinstance(value, Seq):
        places = places_of(value)
        return Seq([string(run, item, (*path, index), places[index]) for index, item in enumerate(value)], list(places))
    if value is not None:
        run.fail(f"{dotted(path)}: expected a list of strings, got {kind(value)}", path, place)
    return Seq()


def texts(run: Binder, value: Node, path: Path, place: Place | None) -> Seq:
    """A list of strings or numbers."""
    if isinstance(value, Seq):
        return Seq([text(item) for item in value], list(places_of(value)))
    return strings(run, value, path, place)


def _pairs(value: Map | Seq) -> list[Pair]:
    """Key, value and place from a mapping or a key=value list; a key without ``=`` has None."""
    if isinstance(value, Map):
        pairs: list[Pair] = [
            (key, item, value.places.get(key)) for key, item in value.items() if not key.startswith("x-")
        ]
        extra = Map({key: item for key, item in value.items() if key.startswith("x-")})
        if extra:
            pairs.append(("#extensions", extra, None))
        return pairs
    out: list[Pair] = []
    for item, place in zip(value, places_of(value), strict=True):
        key, separator, rest = text(item).partition("=")
        out.append((key, rest if separator else None, place))
    return out


def _sorted(pairs: list[Pair]) -> Map:
    last = {key: (item, place) for key, item, place in pairs}
    out = Map()
    for key in sorted(last):
        out.put(key, *last[key])
    return out


def mapping(run: Binder, value: Node, path: Path, place: Place | None) -> Map:
    """String values; nothing given is an empty string."""
    if not isinstance(value, (Map, Seq)):
        if value is not None:
            run.fail(f"{dotted(path)}: expected a mapping or a list, got {kind(value)}", path, place)
        return Map()
    return _sorted([(key, "" if item is None else text(item), where) for key, item, where in _pairs(value)])


def environment(run: Binder, value: Node, path: Path, place: Place | None) -> Map:
    """String values, or None for a variable that is named without a value."""
    if not isinstance(value, (Map, Seq)):
        if value is not None:
            run.fail(f"{dotted(path)}: expected a mapping or a list, got {kind(value)}", path, place)
        return Map()
    return _sorted([(key, None if item is None else text(item), where) for key, item, where in _pairs(value)])


def options(run: Binder, value: Node, path: Path, place: Place | None) -> Map:
    return mapping(run, value, path, place)


def string_map(run: Binder, value: Node, path: Path, place: Place | None) -> Map:
    if isinstance(value, Map):
        return _sorted([(key, string(run, item, (*path, key), where), where) for key, item, where in _pairs(value)])
    return mapping(run, value, path, place)


def hosts(run: Binder, value: Node, path: Path, place: Place | None) -> Seq:
    """``host=address`` entries, sorted."""
    found: list[tuple[str, str, Place | None]] = []
    if isinstance(value, Map):
        for key, item, where in _pairs(value):
            addresses = item if isinstance(item, Seq) else [item]
            found += [(key, "" if address is None else text(address), where) for address in addresses]
    elif isinstance(value, Seq):
        for item, where in zip(value, places_of(value), strict=True):
            entry = text(item)
            separator = "=" if "=" in entry else ":"
            host, found_separator, address = entry.partition(separator)
            if not found_separator:
                run.fail(f"{dotted(path)}: invalid additional host, missing IP: {entry}", path, where or place)
                continue
            found.append((host, address, where))
    elif value is not None:
        run.fail(f"{dotted(path)}: expected a mapping or a list, got {kind(value)}", path, place)
    lines: list[tuple[str, Place | None]] = []
    for host, address, where in found:
        if not host or ":" in host or "=" in host:
            run.fail(f"{dotted(path)}: bad host name '{host}'", path, where or place)
        if len(address) > 2 and address[0] == "[" and address[-1] == "]":
            address = address[1:-1]
        lines.append((f"{host}={address}", where))
    lines.sort(key=lambda line: line[0].encode())
    return Seq([line for line, _ in lines], [where for _, where in lines])


def ssh(run: Binder, value: Node, path: Path, place: Place | None) -> Seq:
    agents = _pairs(value) if isinstance(value, (Map, Seq)) else []
    return Seq([key if not item else f"{key}: {item}" for key, item, _ in agents])


def ulimit(run: Binder, value: Node, path: Path, place: Place | None) -> int | Record:
    if isinstance(value, int) and not isinstance(value, bool):
        return value if value else Record()
    out = Record()
    if isinstance(value, Map):
        for key in ("soft", "hard"):
            item = value.get(key)
            if isinstance(item, int) and not isinstance(item, bool):
                if item:
                    out[key] = item
            elif item is not None:
                run.fail(f"{dotted(path)}: {key} must be a number", path, place)
    return out


def free(run: Binder, value: Node, path: Path, place: Place | None) -> Node:
    return plain(value)


def device_count(run: Binder, value: Node, path: Path, place: Place | None) -> int:
    if isinstance(value, str):
        if value.lower() == "all":
            return -1
        try:
            return int(value)
        except ValueError:
            message = f"{dotted(path)}: invalid value {value!r}, the only value allowed is 'all' or a number"
            run.fail(message, path, place)
            return 0
    if isinstance(value, float):
        run.fail(f"{dotted(path)}: {value} is not a whole number", path, place)
        return 0
    return whole(run, value, path, place)
