"""Showing a plan in the words that carrying it out would show, and doing nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..run.events import DONE, Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..plan.plan import Plan


def dry_run(plan: Plan, handle: Callable[[Progress], None]) -> None:
    """Say each operation in the words that it would say itself."""
    from ..plan.ops import CreateContainer, RemoveContainer, StopContainer

    replaced = {one.name for one in plan.operations if isinstance(one, CreateContainer) and one.replaces}
    for operation in plan.operations:
        working, done = operation.words
        if operation.subject in replaced and isinstance(operation, (CreateContainer, StopContainer, RemoveContainer)):
            continue  # all one, told when it is renamed
        shown = f"DRY-RUN MODE -  {operation.noun.capitalize()} {operation.subject}"
        if working:
            handle(Progress(shown, working))
        handle(Progress(shown, done or operation.verb or operation.key, DONE))
