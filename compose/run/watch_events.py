"""Container events of one project, pushed to whoever waits: readiness is awaited here, never polled.

The subscription exists before anything is started, and every event makes the waiter look again at the container itself;
so no change is missed, and a lost event stream (an engine restart) costs a new subscription and one look.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ..errors import EngineError
from ..labels import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..client import Engine
    from ..client.bodies.events import Event
    from ..client.system import Events

RECONNECTS = 5
"""How often a broken event stream is taken up again, with `PAUSE` seconds between tries."""

PAUSE = 0.5


class ContainerEvents:
    """Calls ``handle(event)`` for every container event of ``project``, and ``handle({})`` after a gap.

    ``run`` blocks in a thread of the caller's until `close`, or raises `EngineError` when the engine stays away.
    """

    def __init__(self, engine: Engine, project: str) -> None:
        self._engine = engine
        self._filters = {"type": ["container"], "label": [f"{PROJECT}={project}"]}
        self._closed = threading.Event()
        self._events: Events = engine.system.events(self._filters)

    def run(self, handle: Callable[[Event], None]) -> None:
        failures = 0
        while True:
            try:
                for event in self._events:
                    failures = 0
                    handle(event)
            except EngineError:
                if self._closed.is_set():
                    return
            if self._closed.is_set():
                return
            failures += 1
            if failures > RECONNECTS:
                raise EngineError("the engine's event stream ended and could not be taken up again")
            if self._resubscribe(failures):
                handle({})

    def _resubscribe(self, failures: int) -> bool:
        if failures > 1 and self._closed.wait(PAUSE):
            return False
        try:
            self._events = self._engine.system.events(self._filters)
        except EngineError:
            return False
        if self._closed.is_set():
            self._events.close()
        return True

    def close(self) -> None:
        """End the subscription; ``run`` returns. From any thread."""
        self._closed.set()
        self._events.close()
