"""deploy.update_config: how the containers of one service are replaced, watched and, where it fails, brought back. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...dataclass import dataclass
from ..ops import (
    Cause,
    MonitorContainer,
    RemoveContainer,
    RenameContainer,
    RollBack,
    StartContainer,
    TakeOverPorts,
    WaitHealthy,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...model import Project
    from ...model.deploy import UpdateConfig
    from ...model.values import Duration
    from ..observe import ObservedContainer
    from ..ops import Key, Operation, StopContainer
    from .containers import Replica


@dataclass(frozen=True, slots=True)
class Update:
    """``batch`` containers at a time (0: all), ``delay`` seconds between batches, each watched for ``monitor`` seconds.
    ``goes_on``: one that fails does not keep the rest from being replaced. ``rolls_back``: the containers before stay,
    stopped, until all are replaced, and come back when one fails, as ``rollback_config`` says. ``start_first``: one is
    stopped once the new one is ready, has its published ports, and ``drain`` seconds at most after that."""

    batch: int = 0
    delay: float = 0.0
    monitor: float = 0.0
    start_first: bool = False
    drain: float = 10.0
    goes_on: bool = False
    rolls_back: bool = False
    back_batch: int = 0
    back_delay: float = 0.0
    back_start_first: bool = False


def update_config(tree: UpdateConfig, rollback: UpdateConfig, grace: Duration | None = None) -> Update:
    """A delay or a time of monitoring says that not all are replaced at once: then one at a time, as Swarm has it. ``grace``
    is the service's stop_grace_period, which those who are connected to an old container have as well."""
    delay, monitor = (time.seconds if time else 0.0 for time in (tree.get("delay"), tree.get("monitor")))
    back_delay = rollback.get("delay")
    batch = tree.get("parallelism")
    return Update(
        batch=int(bool(delay or monitor)) if batch is None else int(batch),
        delay=delay,
        monitor=monitor,
        start_first=tree.get("order") == "start-first",
        drain=grace.seconds if grace else 10.0,
        goes_on=tree.get("failure_action") == "continue",
        rolls_back=tree.get("failure_action") == "rollback",
        back_batch=int(rollback.get("parallelism") or 0),
        back_delay=back_delay.seconds if back_delay else 0.0,
        back_start_first=rollback.get("order") == "start-first",
    )


def succession(
    project: Project, replica: Replica, old: ObservedContainer, update: Update
) -> tuple[WaitHealthy | TakeOverPorts, ...]:
    """What lies between the start of a new container and the end of the ``old`` one, where the new one starts first: it gets
    ready, and has the published ports; the last one's key is what the end waits for."""
    service, number = replica.service, replica.number
    mark = project.mark("services", service, "deploy", "update_config", "order")
    wait = WaitHealthy(
        name=replica.name,
        service=service,
        number=number,
        running_is_enough=True,
        needs=(StartContainer.key_of(replica.name),),
        cause=Cause("the old container stays until the new one is ready", mark=mark),
    )
    if not stands_by(replica, old):
        return (wait,)
    cause = Cause("the new container is ready", mark=mark)
    lead = TakeOverPorts(
        name=replica.name, service=service, number=number, drain=update.drain, needs=(wait.key,), cause=cause
    )
    return wait, lead


def stands_by(replica: Replica, old: ObservedContainer) -> bool:
    """Whether there is somebody whose published ports and names the new container is to have."""
    return old.running and replica.cause is not None


def monitor(project: Project, replica: Replica, update: Update, started: Key) -> MonitorContainer:
    """What the next batch waits for: the time after ``started``, the start's key, in which the container must not fail."""
    mark = project.mark("services", replica.service, "deploy", "update_config", "monitor")
    return MonitorContainer(
        name=replica.name,
        service=replica.service,
        number=replica.number,
        seconds=update.monitor,
        needs=(started,),
        cause=Cause("an update is monitored", mark=mark),
    )


def settle(
    project: Project,
    name: str,
    kept: Sequence[tuple[Replica, ObservedContainer]],
    watched: Sequence[Key],
    update: Update,
    stop: Callable[[ObservedContainer, tuple[Key, ...], Cause], StopContainer],
) -> list[Operation]:
    """Remove what an update of service ``name`` has replaced once all of it has gone well, which ``watched`` tells; roll it
    back otherwise. ``kept`` are the replicas with the containers they replace; ``stop`` makes the operation that stops one."""
    operations: list[Operation] = []
    mark = project.mark("services", name, "deploy", "update_config", "failure_action")
    cause = Cause("the update has gone well", mark=mark)
    for replica, one in kept:
        before = tuple(watched)
        if one.running and update.start_first:
            stopped = stop(one, before, cause)
            operations.append(stopped)
            before = (stopped.key,)
        remove = RemoveContainer(id=one.id, name=one.name, service=name, number=one.number, needs=before, cause=cause)
        rename = RenameContainer(
            name=replica.name, service=name, number=replica.number, needs=(*watched, remove.key), cause=cause
        )
        operations += [remove, rename]
    operations.append(
        RollBack(
            service=name,
            replicas=tuple((replica.name, one.id, one.running) for replica, one in kept),
            watched=tuple(watched),
            batch=update.back_batch,
            delay=update.back_delay,
            start_first=update.back_start_first,
            after=tuple(watched),
            cause=Cause("only if the update fails", mark=mark),
        )
    )
    return operations
