"""The ends of a project's containers: waited for together, told one by one, given up together."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

from ..errors import EngineError
from ..labels import SERVICE
from .session import NotRunning

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..client.bodies.containers import ContainerRow
    from ..client.containers import Wait
    from .session import Session

NOT_YET = ("created", "removing")
"""States without an end to wait for. One that has ended is told at once, with its exit code."""


class Ends:
    """Raises `NotRunning` when there is nothing to wait for, `NoSuchService` for a name that is no service."""

    def __init__(self, session: Session, services: Sequence[str]) -> None:
        found = [one for one in session.containers(services) if one.get("State") not in NOT_YET]
        session.require_declared(services, {one["Labels"].get(SERVICE) for one in found})
        if not found:
            raise NotRunning(f'no containers for project "{session.name}"')
        self._rows = found
        self._queue: queue.SimpleQueue[tuple[ContainerRow, int | EngineError]] = queue.SimpleQueue()
        self._waits: list[Wait] = []
        for one in found:
            wait = session.engine.containers.wait_begin(one["Id"])
            self._waits.append(wait)
            threading.Thread(target=self._finish, args=(one, wait), daemon=True).start()

    def _finish(self, row: ContainerRow, wait: Wait) -> None:
        try:
            self._queue.put((row, wait.finish()))
        except EngineError as error:
            self._queue.put((row, error))

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """Id and exit code of each container, as they end. Raises `EngineError`."""
        for _ in self._rows:
            row, end = self._queue.get()
            if isinstance(end, EngineError):
                raise end
            yield str(row["Id"]), end

    def result(self) -> dict[str, int]:
        """All exit codes, by container name."""
        names = {str(row["Id"]): str(row["Names"][0]).removeprefix("/") for row in self._rows}
        return {names[identity]: code for identity, code in self}

    def cancel(self) -> None:
        """Wait no longer: whoever iterates gets an `EngineError`."""
        for wait in self._waits:
            wait.interrupt()
