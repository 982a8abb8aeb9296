"""What the engine clears away by itself: ``gc`` of the configuration as a value. Volumes are not in it, and never will be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from ...grammar import sizes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .document import Value
    from .schema import Fault

_UNITS = {"s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
EVERY = 3600.0
"""Seconds between two looks when the file does not say."""


class LimitsTree(TypedDict, total=False):
    size: str | int
    unused: str | int


UpkeepTree = TypedDict(
    "UpkeepTree",
    {"every": str | int, "build-cache": LimitsTree, "images": LimitsTree, "logs": LimitsTree},
    total=False,
)


@dataclass(frozen=True, slots=True)
class Upkeep:
    """Ages in seconds, sizes in bytes; None leaves a kind alone. ``every`` is the time between two looks.

    ``cache_unused``, ``cache_size``: steps of builds and cache directories. ``images_unused``: images that no container has, since
    they were last seen in use. ``logs_unused``: of containers that have ended, since the last line.
    """

    every: float = EVERY
    cache_unused: float | None = None
    cache_size: int | None = None
    images_unused: float | None = None
    logs_unused: float | None = None

    @property
    def is_wanted(self) -> bool:
        kinds = (self.cache_unused, self.cache_size, self.images_unused, self.logs_unused)
        return any(one is not None for one in kinds)


def upkeep(tree: UpkeepTree) -> Upkeep:
    """The policy, after the schema has accepted the tree and `senseless` has found nothing."""
    cache = tree.get("build-cache", {})
    return Upkeep(
        every=_age(tree["every"]) if "every" in tree else EVERY,
        cache_unused=_age(cache["unused"]) if "unused" in cache else None,
        cache_size=sizes.parse_decimal(str(cache["size"])) if "size" in cache else None,
        images_unused=_unused(tree.get("images", {})),
        logs_unused=_unused(tree.get("logs", {})),
    )


def senseless(value: Value, tree: UpkeepTree) -> Iterator[Fault]:
    """What only code can judge of ``gc``."""
    size = tree.get("build-cache", {}).get("size")
    if size is not None:
        try:
            sizes.parse_decimal(str(size))
        except ValueError:
            place = value.members["build-cache"].members["size"]
            yield place.line, place.column, f"gc.build-cache.size: {size!r} is no size, such as 20GB"
    if "every" in tree and _age(tree["every"]) < 1:
        place = value.members["every"]
        yield place.line, place.column, "gc.every: at least a second"


def _unused(tree: LimitsTree) -> float | None:
    return _age(tree["unused"]) if "unused" in tree else None


def _age(value: str | int) -> float:
    match = re.fullmatch(r"([0-9.]+)([smhd]?)", str(value))
    assert match is not None  # the schema has seen to it
    return float(match[1]) * _UNITS[match[2]]
