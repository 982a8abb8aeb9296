"""Doing one thing to several objects at once, in threads. For what needs no plan."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ..errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def in_parallel(tasks: Sequence[Callable[[], None]], limit: int = 32) -> list[EngineError]:
    """Run all; the errors, in order of the tasks."""
    if len(tasks) == 1:
        try:
            tasks[0]()
        except EngineError as error:
            return [error]
        return []
    errors: list[tuple[int, EngineError]] = []
    gate = threading.Semaphore(limit)

    def run(index: int, task: Callable[[], None]) -> None:
        with gate:
            try:
                task()
            except EngineError as error:
                errors.append((index, error))

    threads = [threading.Thread(target=run, args=(index, task), daemon=True) for index, task in enumerate(tasks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [error for _, error in sorted(errors, key=lambda item: item[0])]
