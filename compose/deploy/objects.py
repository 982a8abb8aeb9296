"""What a target shall hold and what it holds, as values that the plan compares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..dataclass import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..errors import Path
    from .state import Verdict

READY, COMPLETED = "ready", "completed"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One object of the target. ``service`` is the Compose service it carries out, ``path`` the place it comes from; ``wait``
    says what it takes for it to count as done: `READY`, `COMPLETED`, or nothing. ``needs`` are keys of objects that must be there first."""

    kind: str
    name: str
    body: Mapping[str, object]
    path: Path
    service: str = ""
    wait: str = ""
    needs: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Found:
    """One object that is there."""

    kind: str
    name: str
    id: str
    version: int
    body: Mapping[str, object]
    service: str = ""
    kept: bool = False
    """Nothing removes it unless asked to: volumes."""

    @property
    def key(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Cluster:
    """The target as it is: the project's objects by key, and how far each service's object is, by key of the object."""

    objects: Mapping[str, Found] = field(default_factory=dict)
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
