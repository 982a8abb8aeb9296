"""One container in the engine's memory: its record, its state, the shim that runs it, and who waits for a change.

Belongs to the event loop's thread. Holds no rule about what may follow what; the verbs (start.py, stop.py…) do. All of
it can be rebuilt from the store and the shims (recover.py).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...runtime.client import ShimClient
    from ..spec.record import ContainerRecord
    from .execution import Exec
    from .healthstate import Health
    from .inbox import Inbox
    from .state import State


class Container:
    """``lock`` serializes start, stop, restart, pause, update, rename, connect and remove; kill and wait do without.

    ``settled`` is set while nothing is left to tear down: networks detached, shim released. ``keep`` makes the end of
    the process leave those standing, because a restart follows at once.
    """

    def __init__(self, record: ContainerRecord, state: State) -> None:
        self.record = record
        self.state = state
        self.lock = anyio.Lock()
        self.shim: ShimClient | None = None
        self.settled = asyncio.Event()
        self.settled.set()
        self.keep = False
        self.removed = False
        self.exits = 0
        self.revivals = 0
        self.revival_delay = 0.0
        self.execs: dict[str, Exec[Container]] = {}
        self.health: Health | None = None
        self.inbox: Inbox | None = None
        self.last_signal = 0
        self.oom_told = False
        self._changed = asyncio.Event()

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def name(self) -> str:
        return self.record.name

    def notify(self) -> None:
        """Wake everybody who waits for a change of this container."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def become(self, state: State) -> None:
        self.state = state
        self.notify()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return as soon as ``condition`` holds; it is asked again after every change."""
        while not condition():
            await self._changed.wait()
