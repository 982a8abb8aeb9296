"""How far a service is on a cluster: words for people, and the facts of a failure for the report."""

from __future__ import annotations

from ..dataclass import dataclass

WAITING, READY, FAILED = "waiting", "ready", "failed"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One reason why a service does not come up: which task or pod, on which node, what it says, and what may help."""

    reason: str
    unit: str = ""
    node: str = ""
    hint: str = ""
    source: str = ""
    """What the last lines are asked of: a task's id, or pod/container."""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """``word`` is shown as progress (``2/3``); ``troubles`` explain `FAILED`, and `WAITING` when the time is over.

    ``running``: at least one task runs."""

    state: str
    word: str
    troubles: tuple[Trouble, ...] = ()
    running: bool = False
