"""JSON that others wrote, as a type, and readers that narrow it: what is of another kind than expected counts as missing.

A `Json` value is what `json.loads` or a YAML loader gives. Once it has been narrowed into a typed body or a value class, nothing
further on sees `Json`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
    Object: TypeAlias = Mapping[str, Json]


def mapping(value: Json) -> Object:
    """The object, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def items(value: Json) -> list[Json]:
    """The list, or an empty one for anything else."""
    return value if isinstance(value, list) else []


def mappings(value: Json) -> list[Object]:
    """The objects of a list; its other members are left out."""
    return [one for one in items(value) if isinstance(one, dict)]


def text(value: Json) -> str:
    """The text, or "" for anything else."""
    return value if isinstance(value, str) else ""


def whole(value: Json) -> int:
    """The whole number, or 0 for anything else; a boolean is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
