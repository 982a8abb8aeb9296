"""Progress events: what an operation says while it runs. Renderers fold them; nothing decides by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..client.bodies.builds import Event as BuildEvent
    from ..client.bodies.images import Transfer

WORKING, DONE, WARNING, ERROR = "working", "done", "warning", "error"


@dataclass(frozen=True, slots=True)
class Progress:
    """``id`` is the resource as shown (``Container demo-db-1``), ``status`` the word after it (``Started``).

    ``parent`` groups parts under a resource (layers of a pull); ``current`` and ``total`` are bytes, 0 when unknown.
    """

    id: str
    status: str
    state: str = WORKING
    detail: str = ""
    parent: str = ""
    current: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Output:
    """A piece of output of a build step, hook or provider, already decoded; ``id`` says whose."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class BuildStep:
    """An event of our own engine's builder (``{"event": "StepStarted", …}``); ``id`` is the service that is built."""

    id: str
    body: BuildEvent


def transfer_part(line: Transfer, parent: str, over: tuple[str, ...]) -> Progress | None:
    """A layer's line of a pull or push, as a part of ``parent``; None for a line that is about the whole. ``over`` are the beginnings of
    words for one that is done."""
    status, detail = line.get("status") or "", line.get("progressDetail")
    if not line.get("id") or detail is None:
        return None
    state = DONE if status.startswith(over) else WORKING
    current, total = int(detail.get("current") or 0), int(detail.get("total") or 0)
    return Progress(line["id"], status, state, parent=parent, current=current, total=total)


if TYPE_CHECKING:
    Event = Progress | Output | BuildStep
    Emit = Callable[[Event], None]
