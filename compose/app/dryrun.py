"""Showing a plan in the words that carrying it out would show, and doing nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..run.events import DONE, Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..plan.plan import Plan

_DRY_WORDS = {
    "create": ("Creating", "Created"),
    "create network": ("Creating", "Created"),
    "create volume": ("Creating", "Created"),
    "run": ("Running", "Exited"),
    "roll back": ("", "Rolled back if the update fails"),
    "monitor": ("Monitoring", "Monitored"),
    "configure model": ("Configuring", "Configured"),
    "start": ("Starting", "Started"),
    "stop": ("Stopping", "Stopped"),
    "remove": ("Removing", "Removed"),
    "remove network": ("Removing", "Removed"),
    "remove volume": ("Removing", "Removed"),
    "remove image": ("Removing", "Removed"),
    "rename": ("Recreate", "Recreated"),
    "pull": ("Pulling", "Pulled"),
    "build": ("Building", "Built"),
    "wait until healthy": ("Waiting", "Healthy"),
    "wait until completed": ("Waiting", "Exited"),
}
"""What carrying out an operation would show."""


def dry_run(plan: Plan, handle: Callable[[Progress], None]) -> None:
    """Say each operation in the words that it would say itself."""
    from ..plan.ops import CreateContainer, RemoveContainer, StopContainer

    replaced = {one.name for one in plan.operations if isinstance(one, CreateContainer) and one.replaces}
    for operation in plan.operations:
        working, done = _DRY_WORDS.get(operation.verb, ("", operation.verb or operation.key))
        if operation.subject in replaced and isinstance(operation, (CreateContainer, StopContainer, RemoveContainer)):
            continue  # all one, told when it is renamed
        shown = f"DRY-RUN MODE -  {operation.noun.capitalize()} {operation.subject}"
        if working:
            handle(Progress(shown, working))
        handle(Progress(shown, done, DONE))
