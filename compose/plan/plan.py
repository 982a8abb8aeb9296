"""A plan: operations with their causes and dependencies, in an order that respects them. Pure data, printable.

The text form is what `pycompose plan` shows and what the golden tests compare; the executor runs the same object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..model.values import Json
    from .ops import Key, Operation, Unchanged


@dataclass(frozen=True, slots=True)
class Plan:
    """``operations`` in a topological order; ``warnings`` are lines for the user; ``unchanged`` stays as it is."""

    project: str
    operations: tuple[Operation, ...] = ()
    unchanged: tuple[Unchanged, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.operations

    def text(self) -> str:
        """One line per operation: number, what, why, and the numbers of the operations it waits for."""
        if self.empty:
            return f"{self.project}: nothing to do\n"
        numbers = {operation.key: index for index, operation in enumerate(self.operations, 1)}
        width = len(str(len(self.operations)))
        lines = [f"{self.project}: {len(self.operations)} operation{'s'[: len(self.operations) != 1]}"]
        for index, operation in enumerate(self.operations, 1):
            lines.append(f"{index:>{width}}. {operation.key}{_order(operation, numbers)}")
            lines.append(f"{'':>{width}}    {operation.cause.reason}{_place(operation)}")
            lines += [f"{'':>{width}}      {change}" for change in operation.cause.changes]
        return "\n".join(lines) + "\n"

    def tree(self) -> dict[str, Json]:
        """The plan as JSON values."""
        return {
            "project": self.project,
            "operations": [
                {
                    "id": operation.key,
                    "operation": operation.verb or operation.key.rsplit(" ", 1)[0],
                    "resource": operation.noun,
                    "name": operation.subject,
                    "cause": operation.cause.reason,
                    "at": str(operation.cause.mark) if operation.cause.mark else None,
                    "changes": [
                        {"field": one.path, "kind": one.kind, "at": str(one.mark) if one.mark else None}
                        for one in operation.cause.changes
                    ],
                    "needs": list(operation.needs),
                    "after": list(operation.after),
                }
                for operation in self.operations
            ],
            "unchanged": [one.name for one in self.unchanged],
            "warnings": list(self.warnings),
        }


def _order(operation: Operation, numbers: dict[Key, int]) -> str:
    waits = sorted(numbers[key] for key in {*operation.needs, *operation.after} if key in numbers)
    return f"  [after {', '.join(map(str, waits))}]" if waits else ""


def _place(operation: Operation) -> str:
    return f" ({operation.cause.mark})" if operation.cause.mark else ""


def assemble(
    project: str, operations: Sequence[Operation], unchanged: Sequence[Unchanged] = (), warnings: Sequence[str] = ()
) -> Plan:
    """Put operations into a stable topological order; edges to operations that are not there are kept out of the way.

    Raises ValueError for a cycle or a repeated key: a bug of the planner, not of its input.
    """
    by_key = {operation.key: operation for operation in operations}
    if len(by_key) != len(operations):
        raise ValueError("two operations with one key")
    done: dict[str, Operation] = {}
    active: set[Key] = set()

    def visit(root: Key) -> None:
        stack = [(root, iter(_edges(by_key[root], by_key)))]
        active.add(root)
        while stack:
            key, edges = stack[-1]
            for other in edges:
                if other in active:
                    raise ValueError(f"operations wait for each other: {other}, {key}")
                if other not in done:
                    active.add(other)
                    stack.append((other, iter(_edges(by_key[other], by_key))))
                    break
            else:
                stack.pop()
                active.discard(key)
                done[key] = by_key[key]

    for operation in operations:
        if operation.key not in done:
            visit(operation.key)
    return Plan(project, tuple(done.values()), tuple(unchanged), tuple(warnings))


def _edges(operation: Operation, known: dict[Key, Operation]) -> list[Key]:
    return [key for key in (*operation.needs, *operation.after) if key in known]
