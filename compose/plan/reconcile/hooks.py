"""pre_start decided: which steps run, in which order, before which containers of a service start.

A container that has been started had its steps succeed before, and a changed definition is a changed service: so steps are
due for containers that have never been started, and no record is needed. A step that fails leaves its container, which says
how far the earlier run came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...dataclass import dataclass
from ...labels import hook_container_name
from ..ops import Cause, RemoveContainer, RunPreStart

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ...errors import Mark
    from ...model.service import PreStartHook
    from ..observe import ObservedContainer
    from ..ops import Key, Operation


@dataclass(frozen=True, slots=True)
class Fresh:
    """A container that is about to start for the first time. ``id`` is empty when the plan creates it; ``own`` are the
    operations on itself that come before."""

    name: str
    number: int
    id: str = ""
    own: tuple[Key, ...] = ()


class Order(NamedTuple):
    """Keys of what every step comes after: what must have succeeded, and what must merely be over."""

    needs: tuple[Key, ...] = ()
    after: tuple[Key, ...] = ()


@dataclass(frozen=True, slots=True)
class Steps:
    """``operations`` to add, and by container the keys its start needs."""

    operations: tuple[Operation, ...]
    gates: Mapping[str, tuple[Key, ...]]


def plan_steps(
    project: str,
    service: str,
    hooks: Sequence[tuple[PreStartHook, Mark | None]],
    fresh: Sequence[Fresh],
    recorded: Sequence[ObservedContainer],
    *,
    settled: bool,
    order: Order,
) -> Steps:
    """The steps of ``hooks``, each with its place in the file, for the containers in ``fresh``. Steps once for the service run beside the container with the
    lowest number, before any other starts, unless the service is ``settled``: another container of the same definition has
    been started. ``recorded`` are the containers that earlier runs of hooks have left."""
    if not fresh:
        return Steps((), {})
    first = min(fresh, key=lambda one: one.number)
    done = {one.name: _done(one, recorded) for one in fresh}
    operations: list[Operation] = []
    shared: list[Key] = []
    last = {one.name: () for one in fresh}  # type: dict[str, tuple[Key, ...]]
    for index, (hook, mark) in enumerate(hooks):
        each = bool(hook.get("per_replica"))
        if settled and not each:
            continue
        for one in fresh if each else (first,):
            if index < done[one.name]:
                continue
            step = RunPreStart(
                name=hook_container_name(project, service, index, one.number if each else 0),
                service=service,
                number=one.number,
                index=index,
                target=one.name,
                id=one.id,
                needs=tuple(dict.fromkeys((*one.own, *order.needs, *shared[-1:], *last[one.name]))),
                after=order.after,
                cause=Cause(f"it has not run for {one.name}", mark=mark),
            )
            operations.append(step)
            last[one.name] = (step.key,)
            if not each:
                shared.append(step.key)
    gates = {one.name: tuple(dict.fromkeys((*shared[-1:], *last[one.name]))) for one in fresh}
    return Steps(tuple(operations), gates)


def _done(one: Fresh, recorded: Iterable[ObservedContainer]) -> int:
    """How many of the steps an earlier run finished beside this very container."""
    mine = [left for left in recorded if one.id and left.hook_for == one.id]
    if not mine:
        return 0
    furthest = max(mine, key=lambda left: left.hook_index)
    return furthest.hook_index + (furthest.state == "exited" and furthest.exit_code == 0)


def left_over(recorded: Iterable[ObservedContainer], running: Iterable[str]) -> list[RemoveContainer]:
    """Removals of the containers that earlier hooks have left, unless a hook takes the place of one."""
    taken = set(running)
    return [
        RemoveContainer(
            id=one.id,
            name=one.name,
            service=one.service,
            number=one.number,
            force=True,
            volumes=True,
            cause=Cause("it is left over from an earlier run of a pre_start hook"),
        )
        for one in recorded
        if one.name not in taken
    ]
