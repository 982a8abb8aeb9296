"""What runs where: one task or pod, as `ps` shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Unit:
    """``created`` is in seconds since the epoch. ``over`` says that it has ended and is shown with --all only."""

    name: str
    service: str
    image: str
    node: str
    state: str
    detail: str = ""
    ports: str = ""
    created: float = 0.0
    over: bool = False
    id: str = ""


def chosen(units: Iterable[Unit], services: Iterable[str], *, all: bool = False) -> list[Unit]:
    """Those of ``services`` (all without any) by service and name, the newest of one name first."""
    wanted = set(services)
    found = [one for one in units if (not wanted or one.service in wanted) and (all or not one.over)]
    return sorted(found, key=lambda one: (one.service, one.name, -one.created))
