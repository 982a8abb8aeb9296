"""Stopping containers level by level without a plan: `stop`, `restart`, and the end of attached commands.

Light on purpose: no model, no event loop. pre_stop hooks are those that the container's label records.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ..client import NotFound
from ..errors import OperationError
from ..plan.reconcile.order import stop_levels
from ..run.events import DONE, ERROR, Progress
from ..run.parallel import in_parallel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..plan.observe import ObservedContainer
    from ..run.events import Emit, Event
    from .session import Session


def stop_containers(session: Session, containers: Sequence[ObservedContainer], timeout: int | None) -> None:
    """Those that do not run are reported as stopped too. Raises `OperationError` when one could not be stopped; the others
    are stopped then."""
    engine = session.engine

    def stop(one: ObservedContainer) -> None:
        if one.running:
            engine.containers.stop(one.id, timeout)

    run_levels(session, stop_levels(containers), "Stopping", "Stopped", stop, before=partial(_run_hooks, session))


def _run_hooks(session: Session, one: ObservedContainer, emit: Emit) -> None:
    if one.running and one.pre_stop:
        from ..run.perform.hooks import run_hooks

        run_hooks(session.engine, emit, one.name, one.id, "pre_stop", one.pre_stop)


def run_levels(
    session: Session,
    levels: Sequence[Sequence[ObservedContainer]],
    working: str,
    done: str,
    act: Callable[[ObservedContainer], None],
    *,
    before: Callable[[ObservedContainer, Emit], None] | None = None,
) -> None:
    """Do ``act`` to every container, after ``before``, one level after the other, and show it."""
    import threading

    display = session.listener.progress()
    lock = threading.Lock()
    failures: list[str] = []

    def emit(event: Event) -> None:
        with lock:
            display.handle(event)

    def task(one: ObservedContainer) -> None:
        from ..errors import ComposeError, EngineError

        shown = f"Container {one.name}"
        emit(Progress(shown, working))
        try:
            if before is not None:
                before(one, emit)
            act(one)
        except NotFound:
            pass
        except ComposeError as error:
            daemon = isinstance(error, EngineError) and error.status
            failures.append(f"Error response from daemon: {error}" if daemon else f"{one.name}: {error}")
            emit(Progress(shown, "Error", ERROR, detail=str(error)))
            return
        emit(Progress(shown, done, DONE))

    with display:
        for level in levels:
            if session.choices.dry_run:
                for one in level:
                    emit(Progress(f"DRY-RUN MODE -  Container {one.name}", working))
                    emit(Progress(f"DRY-RUN MODE -  Container {one.name}", done, DONE))
                continue
            in_parallel([partial(task, one) for one in level])
    if failures:
        raise OperationError("\n".join(failures))
