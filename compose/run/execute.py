"""Running a plan: one anyio task per operation, awaiting the *outcomes* of those it waits for. No decisions here.

An outcome is ok, failed or skipped. A failed operation skips what needs it and nothing else; everything that can still
be done is done. Blocking work goes to threads, waits are tasks woken by the engine's events.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from ..dataclass import dataclass
from ..errors import ComposeError, EngineError, OperationError
from ..plan.ops import (
    BuildImage,
    CreateContainer,
    MonitorContainer,
    PullImage,
    RollBack,
    RunPreStart,
    StartContainer,
    WaitCompleted,
    WaitHealthy,
)
from ..plan.readiness import Progressing, Ready, look
from .events import ERROR, WARNING, Progress
from .perform import abandon, perform
from .watch_events import ContainerEvents

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..client.bodies.events import Event as ContainerEvent
    from ..plan.ops import Operation
    from ..plan.plan import Plan
    from ..plan.readiness import Ready
    from .perform import World

OK, FAILED, SKIPPED = "ok", "failed", "skipped"

_SETTLED = 0.5
"""Seconds a container without a health check must have run for `up --wait`; dependants never wait for this."""

_THREADS = 64
"""Worker threads without --parallel; the engine, not this number, is the bound."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """``started`` and ``finished`` are seconds on the monotonic clock; equal for a skipped operation."""

    state: str
    error: ComposeError | None = None
    started: float = 0.0
    finished: float = 0.0
    blocked_by: str = ""


def run_plan(
    plan: Plan,
    world: World,
    *,
    parallel: int | None = None,
    wait_timeout: float | None = None,
    known: Mapping[str, Outcome] | None = None,
    only: Iterable[str] | None = None,
) -> dict[str, Outcome]:
    """Carry out ``plan`` (or its operations ``only``, the others being ``known``); the outcome of every operation.

    ``wait_timeout`` bounds every wait together, in seconds from now. Raises KeyboardInterrupt when interrupted: what was
    under way at the engine is finished by then, nothing new was begun.
    """
    chosen = set(only) if only is not None else {operation.key for operation in plan.operations}
    operations = [operation for operation in plan.operations if operation.key in chosen]
    executor = _Executor(world, dict(known or {}), wait_timeout)
    if operations:
        _run_loop(executor, operations, parallel)
        executor.confirm(operations)
    return executor.outcomes


def _run_loop(executor: _Executor, operations: list[Operation], parallel: int | None) -> None:
    """In an event loop of its own; in a thread of its own where the caller is inside one, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        anyio.run(executor.run, operations, parallel)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1, "plan") as pool:
        pool.submit(anyio.run, executor.run, operations, parallel).result()


class _Executor:
    def __init__(self, world: World, known: dict[str, Outcome], wait_timeout: float | None) -> None:
        self._world = world
        self.outcomes = known
        self._finished: dict[str, anyio.Event] = {}
        self._changed: dict[str, anyio.Event] = {}
        self._wait_timeout = wait_timeout or 0.0
        self._deadline = None if wait_timeout is None else time.monotonic() + wait_timeout
        self._events_lost: EngineError | None = None

    async def run(self, operations: list[Operation], parallel: int | None) -> None:
        self._limiter = anyio.CapacityLimiter(parallel if parallel and parallel > 0 else _THREADS)
        self._finished = {operation.key: anyio.Event() for operation in operations}
        waits = any(isinstance(operation, (MonitorContainer, WaitHealthy, WaitCompleted)) for operation in operations)
        events = None
        if waits:
            events = await anyio.to_thread.run_sync(ContainerEvents, self._world.engine, self._world.snapshot.project)
        async with anyio.create_task_group() as listeners:
            if events is not None:
                listeners.start_soon(self._listen, events)
            try:
                async with anyio.create_task_group() as tasks:
                    for operation in operations:
                        tasks.start_soon(self._node, operation)
            finally:
                if events is not None:
                    events.close()
                listeners.cancel_scope.cancel()

    def confirm(self, operations: list[Operation]) -> None:
        """What counted as ready because it ran may have ended while others were waited for: look once more."""
        for operation in operations:
            if not isinstance(operation, WaitHealthy) or not operation.running_is_enough:
                continue
            outcome = self.outcomes[operation.key]
            if outcome.state != OK:
                continue
            try:
                look(self._world.engine, self._world.container_id(operation.name, operation.id), operation)
            except ComposeError as error:
                self.outcomes[operation.key] = Outcome(FAILED, error, outcome.started, outcome.finished)
                self._report(operation, error)

    async def _listen(self, events: ContainerEvents) -> None:
        loop = asyncio.get_running_loop()

        def handle(event: ContainerEvent) -> None:
            identity = event.get("Actor", {}).get("ID", "")
            # Handed over, not waited for: an event that comes as the loop ends would hold this thread, and with it the
            # process, for ever.
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._wake, identity)

        try:
            await anyio.to_thread.run_sync(partial(events.run, handle), abandon_on_cancel=True)
        except EngineError as error:
            self._events_lost = error
            self._wake("")

    def _wake(self, identity: str) -> None:
        """Let waiters of this container (or, without one, all) look again."""
        for key in [identity] if identity else list(self._changed):
            event = self._changed.pop(key, None)
            if event is not None:
                event.set()

    async def _node(self, operation: Operation) -> None:
        for key in (*operation.needs, *operation.after):
            if key in self._finished:
                await self._finished[key].wait()
        started = time.monotonic()
        blocked = next((key for key in operation.needs if key in self.outcomes and self.outcomes[key].state != OK), "")
        try:
            if blocked:
                self.outcomes[operation.key] = Outcome(SKIPPED, None, started, started, blocked)
                return
            if isinstance(operation, RollBack) and all(self._went_well(key) for key in operation.watched):
                self.outcomes[operation.key] = Outcome(OK, None, started, started)
                return
            await self._carry_out(operation)
            self.outcomes[operation.key] = Outcome(OK, None, started, time.monotonic())
        except ComposeError as error:
            if isinstance(operation, (WaitHealthy, WaitCompleted)) and operation.optional:
                self.outcomes[operation.key] = Outcome(FAILED, None, started, time.monotonic())
                self._skip(operation, error)
                return
            self.outcomes[operation.key] = Outcome(FAILED, error, started, time.monotonic())
            self._report(operation, error)
        finally:
            self._finished[operation.key].set()

    def _skip(self, operation: WaitHealthy | WaitCompleted, error: ComposeError) -> None:
        words = f'Skipped: optional dependency "{operation.service}" failed to start: {error}'
        if isinstance(operation, WaitCompleted):
            words = f"Skipped: {str(error).replace('service', 'optional dependency', 1)}"
        self._world.emit(Progress(f"Container {operation.name}", words, WARNING))

    def _went_well(self, key: str) -> bool:
        return key not in self.outcomes or self.outcomes[key].state == OK

    def _report(self, operation: Operation, error: ComposeError) -> None:
        if operation.noun == "container":
            self._world.emit(Progress(f"Container {operation.subject}", "Error", ERROR, detail=str(error)))
        elif operation.noun in ("network", "volume"):
            self._world.emit(
                Progress(f"{operation.noun.capitalize()} {operation.subject}", "Error", ERROR, detail=str(error))
            )

    async def _carry_out(self, operation: Operation) -> None:
        if isinstance(operation, (WaitHealthy, WaitCompleted)):
            await self._wait(operation)
            return
        if isinstance(operation, MonitorContainer):
            with anyio.move_on_after(operation.seconds):
                await self._until_ready(operation)
            return
        if isinstance(operation, CreateContainer) and operation.delay:
            await anyio.sleep(operation.delay)
        # A pull or build can be abandoned half way; anything else is short, and its end must be known.
        long = isinstance(operation, (PullImage, BuildImage, RunPreStart))
        try:
            await anyio.to_thread.run_sync(
                perform, self._world, operation, abandon_on_cancel=long, limiter=self._limiter
            )
        except anyio.get_cancelled_exc_class():
            if isinstance(operation, RunPreStart):
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(abandon, self._world, operation)
            raise

    def _unsettled(self, operation: WaitHealthy | WaitCompleted | MonitorContainer, verdict: Ready) -> float:
        """Seconds until a container without a health check counts as running and not as about to fail."""
        start = self.outcomes.get(StartContainer.key_of(operation.name))
        if verdict.word != "Running" or start is None:
            return 0.0
        return start.finished + _SETTLED - time.monotonic()

    async def _wait(self, operation: WaitHealthy | WaitCompleted) -> None:
        world = self._world
        shown = f"Container {operation.name}"
        world.emit(Progress(shown, "Waiting"))
        remaining = None if self._deadline is None else max(self._deadline - time.monotonic(), 0.0)
        try:
            with anyio.fail_after(remaining):
                verdict = await self._until_ready(operation)
        except TimeoutError:
            raise OperationError(
                f"application not healthy after {self._wait_timeout:g}s: container {operation.name} is not ready"
            ) from None
        world.emit(Progress(shown, verdict.word, "done"))

    async def _until_ready(self, operation: WaitHealthy | WaitCompleted | MonitorContainer) -> Ready:
        """Look whenever an event tells of the container, until it is ready. Raises `NotReady` when it will not be."""
        world = self._world
        identity = world.container_id(operation.name, operation.id)
        while True:
            changed = self._changed.setdefault(identity, anyio.Event())
            verdict = await anyio.to_thread.run_sync(look, world.engine, identity, operation, limiter=self._limiter)
            if not isinstance(verdict, Progressing):
                left = self._unsettled(operation, verdict)
                if left <= 0:
                    return verdict
                with anyio.move_on_after(left):
                    await changed.wait()
                continue
            if self._events_lost is not None:
                raise OperationError(str(self._events_lost))
            await changed.wait()
