"""The report after a deployment that failed: service, task or pod, node, reason, last lines, what it blocked, a hint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .ops import AwaitService, CreateObject
from .run import FAILED, SKIPPED, NotReady

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..plan.ops import Operation
    from ..plan.plan import Plan
    from .run import Outcome


def failure_report(plan: Plan, outcomes: Mapping[str, Outcome]) -> str:
    """A paragraph for each failure."""
    operations: dict[str, Operation] = {one.key: one for one in plan.operations}
    parts = []
    for key, outcome in outcomes.items():
        if outcome.state != FAILED or outcome.error is None:
            continue
        lines = [_headline(operations[key], str(outcome.error))]
        if isinstance(outcome.error, NotReady):
            for trouble in outcome.error.troubles:
                where = " ".join(filter(None, (trouble.unit, f"on {trouble.node}" if trouble.node else "")))
                lines.append(f"  {where}: {trouble.reason}" if where else f"  {trouble.reason}")
                if trouble.lines:
                    lines.append(f"    last {len(trouble.lines)} log line{'s'[: len(trouble.lines) != 1]}:")
                    lines += [f"      {one}" for one in trouble.lines]
                if trouble.hint:
                    lines.append(f"    hint: {trouble.hint}")
        blocked = blocked_by(plan, outcomes, key)
        if blocked:
            lines.append(f"  not deployed because of it: {', '.join(blocked)}")
        parts.append("\n".join(lines))
    return "\n".join(parts)


def _headline(operation: Operation, message: str) -> str:
    return message if isinstance(operation, AwaitService) else f"{operation.key}: {message}"


def blocked_by(plan: Plan, outcomes: Mapping[str, Outcome], key: str) -> list[str]:
    """Objects that were not made or changed because ``key`` failed, directly or through others."""
    front = {key}
    grown = True
    while grown:
        before = len(front)
        front |= {name for name, one in outcomes.items() if one.state == SKIPPED and one.blocked_by in front}
        grown = len(front) > before
    found = [one for one in plan.operations if one.key in front and one.key != key]
    return list(dict.fromkeys(one.subject for one in found if isinstance(one, CreateObject) or one.verb == "update"))
