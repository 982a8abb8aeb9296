"""Published ports that change hands without a moment in which nobody has them. Pure: registry.py writes what is decided here.

A container that is started to replace another one binds nothing: it gets the same sockets, and *stands by*. Its ports and
its names lead to it once it takes over, or in the moment in which the other one goes, for whatever reason; so a command that is killed
between two steps leaves the old or the new one, never none. Who has handed its ports over stands by in its turn, for as long
as it runs: should the new one be removed again, they are its own once more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..shapes import objects
from .types import PortBinding

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True)
class Heir:
    """Stands by for the ports of the container ``of``; ``ports`` are its own bindings of them."""

    of: str
    ports: tuple[PortBinding, ...]

    def record(self) -> dict[str, object]:
        return {"of": self.of, "ports": [one.record() for one in self.ports]}

    @staticmethod
    def from_record(body: Mapping[str, object]) -> Heir:
        """Raises Incomplete."""
        return Heir(str(body.get("of", "")), tuple(PortBinding.from_record(one) for one in objects(body.get("ports"))))


@dataclass(frozen=True, slots=True)
class Moved:
    """What becomes of whom, by container id: published ports (none: no more), and who stands by (None: no more).
    ``successor`` has the ports of one that has gone."""

    published: Mapping[str, tuple[PortBinding, ...]] = field(default_factory=dict)
    heirs: Mapping[str, Heir | None] = field(default_factory=dict)
    successor: str = ""


def stand_by(container: str, of: str, ports: tuple[PortBinding, ...]) -> Moved:
    return Moved({container: ()}, {container: Heir(of, ports)})


def take_over(
    container: str, heirs: Mapping[str, Heir], published: Callable[[str], tuple[PortBinding, ...]]
) -> Moved | None:
    """``container`` gets what it stands by for, from whoever has it now; None when it stands by for nothing."""
    mine = heirs.get(container)
    if mine is None:
        return None
    former = holder(mine.of, heirs)
    changed: dict[str, Heir | None] = {container: None, former: Heir(container, published(former))}
    changed |= _behind(former, container, heirs, but=container)
    return Moved({container: mine.ports, former: ()}, changed)


def release(container: str, heirs: Mapping[str, Heir]) -> Moved:
    """``container`` goes: who stands by for its ports has them, the latest where there are several; the others stand by for
    those of that one. Where it only stood by itself, they stand by for what it did."""
    own = heirs.get(container)
    if own is not None:
        return Moved({container: ()}, {container: None, **_behind(container, own.of, heirs)})
    waiting = [id for id, heir in heirs.items() if heir.of == container]
    if not waiting:
        return Moved({container: ()}, {container: None})
    successor = waiting[-1]
    changed = {container: None, successor: None, **_behind(container, successor, heirs, but=successor)}
    return Moved({container: (), successor: heirs[successor].ports}, changed, successor)


def holder(container: str, heirs: Mapping[str, Heir]) -> str:
    """Who has the ports that ``container`` has or stands by for."""
    passed: set[str] = set()
    while (heir := heirs.get(container)) is not None and container not in passed:
        passed.add(container)
        container = heir.of
    return container


def _behind(before: str, now: str, heirs: Mapping[str, Heir], but: str = "") -> dict[str, Heir | None]:
    """Who stood by for ``before`` stands by for ``now``."""
    return {id: Heir(now, heir.ports) for id, heir in heirs.items() if heir.of == before and id != but}
