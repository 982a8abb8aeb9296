"""`start` and `restart` decided from the containers' own labels: their depends_on is the order, no model is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..graph import COMPLETED, HEALTHY
from ..ops import Cause, StartContainer, StopContainer, WaitCompleted, WaitHealthy
from ..plan import Plan, assemble
from .hooks import Fresh, Order, left_over, plan_steps
from .order import has_pre_stop, recorded_dependencies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..observe import ObservedContainer
    from ..ops import Key, Operation


def conditions(one: ObservedContainer) -> dict[str, tuple[str, bool]]:
    """Service -> (condition, restart), from the container's depends_on label."""
    result: dict[str, tuple[str, bool]] = {}
    for item in filter(None, one.depends_on.split(",")):
        name, _, rest = item.partition(":")
        condition, _, restart = rest.partition(":")
        result[name] = (condition, restart == "true")
    return result


def with_dependencies(
    chosen: Sequence[ObservedContainer], everything: Sequence[ObservedContainer]
) -> list[ObservedContainer]:
    """``chosen``, and the containers of all services that theirs depend on."""
    wanted = {one.service for one in chosen}
    size = 0
    while size < len(wanted):
        size = len(wanted)
        wanted |= {name for one in (*everything, *chosen) if one.service in wanted for name in conditions(one)}
    added = [one for one in everything if one.service in wanted and one not in chosen]
    return [*chosen, *added]


def plan_start(
    project: str,
    containers: Sequence[ObservedContainer],
    *,
    wait: bool = False,
    recorded: Sequence[ObservedContainer] = (),
) -> Plan:
    """Start what does not run, after what it depends on has met its condition and, where it starts for the first time,
    its pre_start hooks have run. ``recorded`` are the containers that earlier runs of hooks have left."""
    starting = [one for one in containers if not one.running]
    operations = _starts(starting, containers, {}, wait)
    return assemble(project, _with_pre_start(project, operations, starting, containers, recorded))


def _with_pre_start(
    project: str,
    operations: list[Operation],
    starting: Sequence[ObservedContainer],
    containers: Sequence[ObservedContainer],
    recorded: Sequence[ObservedContainer],
) -> list[Operation]:
    from dataclasses import replace

    starts = {operation.id: operation for operation in operations if isinstance(operation, StartContainer)}
    result = list(operations)
    for service in dict.fromkeys(one.service for one in starting if one.pre_start):
        fresh = [one for one in starting if one.service == service and one.state == "created" and one.pre_start]
        if not fresh:
            continue
        left = [one for one in recorded if one.service == service]
        first = starts[fresh[0].id]
        steps = plan_steps(
            project,
            service,
            [(hook, None) for hook in fresh[0].pre_start],
            [Fresh(one.name, one.number, one.id) for one in fresh],
            left,
            settled=any(one.service == service and one.state != "created" for one in containers),
            order=Order(first.needs, first.after),
        )
        result += [*steps.operations, *left_over(left, (operation.subject for operation in steps.operations))]
        for one in fresh:
            start = starts[one.id]
            result[result.index(start)] = replace(start, needs=(*start.needs, *steps.gates[one.name]))
    return result


def plan_restart(
    project: str,
    everything: Sequence[ObservedContainer],
    chosen: Sequence[ObservedContainer],
    timeout: int | None,
    *,
    dependants: bool,
) -> Plan:
    """Stop and start ``chosen`` and, with ``dependants``, running ones that depend on them with ``restart: true``."""
    services = {one.service for one in chosen}
    picked = list(chosen)
    grown = dependants
    while grown:
        grown = False
        for one in everything:
            if one in picked or not one.running:
                continue
            if any(name in services and restart for name, (_, restart) in conditions(one).items()):
                picked.append(one)
                services.add(one.service)
                grown = True
    needs = recorded_dependencies(picked)
    stops: dict[str, Key] = {}
    operations: list[Operation] = []
    for one in picked:
        if not one.running:
            continue
        followers = tuple(
            StopContainer.key_of(other.name)
            for other in picked
            if other.running and one.service in needs.get(other.service, ()) and other.service != one.service
        )
        stop = StopContainer(
            id=one.id,
            name=one.name,
            service=one.service,
            number=one.number,
            timeout=timeout,
            hooks=has_pre_stop(one, None),
            after=followers,
            cause=Cause("a restart was asked for" if one in chosen else "it depends on a service that is restarted"),
        )
        operations.append(stop)
        stops[one.name] = stop.key
    operations += _starts(picked, picked, stops, False)
    return assemble(project, _with_pre_start(project, operations, picked, everything, ()))


def _starts(
    starting: Sequence[ObservedContainer], everything: Sequence[ObservedContainer], stops: dict[str, Key], wait: bool
) -> list[Operation]:
    operations: dict[str, Operation] = {}
    names = {one.name for one in starting}
    for one in starting:
        needs = [stops[one.name]] if one.name in stops else []
        for service, (condition, _) in conditions(one).items():
            for other in everything:
                if other.service != service or other.service == one.service:
                    continue
                start = StartContainer.key_of(other.name)
                own = (start,) if other.name in names else ()
                cause = Cause(f"service {one.service} waits for it")
                gate: Operation
                if condition == HEALTHY and not (other.health == "healthy" and not own):
                    gate = WaitHealthy(
                        id=other.id, name=other.name, service=service, number=other.number, needs=own, cause=cause
                    )
                elif condition == COMPLETED and (own or other.exit_code != 0):
                    gate = WaitCompleted(
                        id=other.id, name=other.name, service=service, number=other.number, needs=own, cause=cause
                    )
                else:
                    needs += own
                    continue
                operations.setdefault(gate.key, gate)
                needs.append(gate.key)
        operations[StartContainer.key_of(one.name)] = StartContainer(
            id=one.id,
            name=one.name,
            service=one.service,
            number=one.number,
            hooks=bool(one.post_start),
            needs=tuple(dict.fromkeys(needs)),
            cause=Cause("a restart was asked for" if one.name in stops else "it does not run"),
        )
    if wait:
        for one in starting:
            if WaitCompleted.key_of(one.name) in operations:
                continue
            gate = WaitHealthy(
                id=one.id,
                name=one.name,
                service=one.service,
                number=one.number,
                running_is_enough=True,
                needs=(StartContainer.key_of(one.name),),
                cause=Cause("--wait was given"),
            )
            operations.setdefault(gate.key, gate)
    return list(operations.values())
