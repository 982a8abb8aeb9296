"""Values of the model that mean more than their type says. Sizes and durations are numbers since they were read, and written as
text only where a project is printed. Other texts are printed as they are written, and know what they say. And the JSON that the
model leaves as it is.
"""

from __future__ import annotations

from functools import cached_property
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


class Worded(str):
    """A text that says something, which is read when it is first asked for."""


class Restart(Worded):
    """A restart policy, such as ``on-failure:3``."""

    @cached_property
    def policy(self) -> tuple[str, int]:
        """(name, retries). Raises ValueError."""
        from ...grammar import restart  # here, as below: what is unchanged is not read

        return restart.parse(self)


class Exposed(Worded):
    """A port or a range that a container listens on, such as ``53/udp``."""

    @cached_property
    def ports(self) -> tuple[int, int, str]:
        """(first, last, protocol). Raises ValueError."""
        from ...grammar.ports import parse_exposed

        return parse_exposed(self)


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
