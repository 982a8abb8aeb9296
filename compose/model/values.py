"""Values of the model that mean more than their type says: sizes and durations, numbers since they were read, and written as text
only where a project is printed. And the JSON that the model leaves as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # What a file says freely: options of providers, ``x-`` keys.
    from ...grammar.jsontree import Json as Json


class Quantity(int):
    """A number with a unit; ``str()`` of it is how ``docker compose config`` writes it."""

    __slots__ = ()


class Size(Quantity):
    """Bytes."""

    __slots__ = ()


class Duration(Quantity):
    """Nanoseconds."""

    __slots__ = ()

    def __str__(self) -> str:
        from ...grammar import durations  # here: who reads a project rarely prints one

        return durations.format(int(self))

    @property
    def seconds(self) -> float:
        return self / 1e9


_PLAIN = frozenset({str, int, bool, float, type(None)})


def written(value: object) -> object:
    """A copy of ``value`` with every quantity in it as it is written."""
    if isinstance(value, Quantity):
        return str(value)
    if isinstance(value, dict):
        return {key: item if type(item) in _PLAIN else written(item) for key, item in value.items()}
    if isinstance(value, list):
        return [item if type(item) in _PLAIN else written(item) for item in value]
    return value
