"""What the caller wants beyond the model: the decisions of `up`, `create`, `scale` and `down` flags as values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...dataclass import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Mapping

DIVERGED, FORCE, NEVER = "diverged", "force", "never"


@dataclass(frozen=True, slots=True)
class UpOptions:
    """``services`` empty means all. ``recreate`` and ``recreate_dependencies`` are ``diverged`` (what no longer is as the model
    says), ``force`` (all) or ``never``. ``pull`` overrules every pull_policy; ``build`` True builds all, False none.
    ``timeout`` is the grace in seconds of what is replaced."""

    services: tuple[str, ...] = ()
    with_dependencies: bool = True
    recreate: str = DIVERGED
    recreate_dependencies: str = DIVERGED
    remove_orphans: bool = False
    ignore_orphans: bool = False
    scale: Mapping[str, int] = field(default_factory=dict)
    start: bool = True
    wait: bool = False
    renew_volumes: bool = False
    timeout: int | None = None
    build: bool | None = None
    pull: str = ""
    all_resources: bool = False
    """Make networks and volumes that no service uses as well."""


@dataclass(frozen=True, slots=True)
class DownOptions:
    """``services`` empty means all. ``images`` is "" (none), ``local`` (what builds have made) or ``all``;
    ``timeout`` is the grace in seconds, 0 kills, None leaves it to the service. ``by_name``: the project was named and its files
    were not, so that no service is an orphan for not being in a file that lies here."""

    services: tuple[str, ...] = ()
    volumes: bool = False
    remove_orphans: bool = False
    images: str = ""
    timeout: int | None = None
    by_name: bool = False
