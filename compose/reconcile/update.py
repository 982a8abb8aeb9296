"""deploy.update_config: how the containers of one service are replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..convert.values import nanoseconds
from ..dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Update:
    """``batch`` containers at a time (0: all), ``delay`` seconds between batches, each watched for ``monitor`` seconds.
    ``goes_on``: one that fails does not keep the rest from being replaced. ``rolls_back``: the containers before stay,
    stopped, until all are replaced, and come back when one fails, as ``rollback_config`` says."""

    batch: int = 0
    delay: float = 0.0
    monitor: float = 0.0
    start_first: bool = False
    goes_on: bool = False
    rolls_back: bool = False
    back_batch: int = 0
    back_delay: float = 0.0
    back_start_first: bool = False


def update_config(tree: Mapping[str, Any], rollback: Mapping[str, Any]) -> Update:
    """A delay or a time of monitoring says that not all are replaced at once: then one at a time, as Swarm has it."""
    delay, monitor = (nanoseconds(tree.get(key) or 0) / 10**9 for key in ("delay", "monitor"))
    batch = tree.get("parallelism")
    return Update(
        batch=int(bool(delay or monitor)) if batch is None else int(batch),
        delay=delay,
        monitor=monitor,
        start_first=tree.get("order") == "start-first",
        goes_on=tree.get("failure_action") == "continue",
        rolls_back=tree.get("failure_action") == "rollback",
        back_batch=int(rollback.get("parallelism") or 0),
        back_delay=nanoseconds(rollback.get("delay") or 0) / 10**9,
        back_start_first=rollback.get("order") == "start-first",
    )
