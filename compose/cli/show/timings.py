"""`up --timings`: where the time went. The critical path as text, and a trace that Chrome's viewer opens."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from ...errors import OperationError
from ...plan.graph import critical_path

if TYPE_CHECKING:
    from ...app.converge import Convergence


def show_timings(result: Convergence, path: str) -> None:
    """Print to stderr; with ``path``, write the trace there."""
    durations = {key: one.finished - one.started for key, one in result.outcomes.items()}
    edges = [
        (before, operation.key)
        for plan in result.plans
        for operation in plan.operations
        for before in (*operation.needs, *operation.after)
    ]
    chain = critical_path(durations, edges)
    total = max((one.finished for one in result.outcomes.values()), default=result.started) - result.started
    print(f"critical path ({total:.3f} s in all):", file=sys.stderr)
    for key in chain:
        outcome = result.outcomes[key]
        print(f"  {outcome.started - result.started:7.3f} s  +{durations[key]:.3f} s  {key}", file=sys.stderr)
    if path:
        try:
            with open(path, "w", encoding="utf-8") as file:
                json.dump(trace(result), file)
        except OSError as error:
            raise OperationError(f"{path}: {error.strerror}") from error


def trace(result: Convergence) -> dict[str, object]:
    """Trace Event Format: one complete event per operation, one row per container, network or image."""
    rows: dict[str, int] = {}
    events: list[dict[str, object]] = []
    for plan in result.plans:
        for operation in plan.operations:
            outcome = result.outcomes.get(operation.key)
            if outcome is None:
                continue
            subject = f"{operation.noun} {operation.subject}"
            row = rows.setdefault(subject, len(rows) + 1)
            events.append(
                {
                    "name": operation.verb or operation.key,
                    "cat": operation.noun,
                    "ph": "X",
                    "ts": round((outcome.started - result.started) * 1e6),
                    "dur": round((outcome.finished - outcome.started) * 1e6),
                    "pid": 1,
                    "tid": row,
                    "args": {"operation": operation.key, "cause": str(operation.cause), "outcome": outcome.state},
                }
            )
    names = [
        {"name": "thread_name", "ph": "M", "pid": 1, "tid": row, "args": {"name": subject}}
        for subject, row in rows.items()
    ]
    return {"traceEvents": [*names, *events], "displayTimeUnit": "ms"}
