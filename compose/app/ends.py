"""The ends of a project's containers: waited for together, told one by one, given up together."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING

from ..errors import EngineError
from ..labels import SERVICE
from .results import TimedOut
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
        return self._until(None)

    def _until(self, deadline: float | None) -> Iterator[tuple[str, int]]:
        """As the iteration; raises queue.Empty at ``deadline``, a moment of the monotonic clock."""
        for _ in self._rows:
            row, end = self._queue.get(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
            if isinstance(end, EngineError):
                raise end
            yield str(row["Id"]), end

    def result(self, timeout: float | None = None) -> dict[str, int]:
        """All exit codes, by container name. Raises `TimedOut` after ``timeout`` seconds."""
        names = {str(row["Id"]): str(row["Names"][0]).removeprefix("/") for row in self._rows}
        try:
            ends = self._until(None if timeout is None else time.monotonic() + timeout)
            return {names[identity]: code for identity, code in ends}
        except queue.Empty:
            raise TimedOut(timeout or 0.0) from None
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Wait no longer: whoever iterates gets an `EngineError`."""
        for wait in self._waits:
            wait.interrupt()
