"""What the engine does at every start: find out what became of the containers, and make intent and fact agree.

One path for a first start, a crash and a reboot: read the records, connect to each shim that is said to live, else
believe status.json (an unknown end is 255 with words, never 0), settle what was left half done, and restart by policy.
"""

from __future__ import annotations

import logging
import os
import signal
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import anyio

from ... import journal
from ...errors import EngineError
from ...linux import process
from ...runtime import restart, statusfile
from ...runtime.client import ShimClient, ShimError, ShimState
from ..spec import bundle
from ..spec.record import ContainerRecord
from . import autoports, health, healthstate, ipc, memory, remove, start, stop, supervise
from .container import Container
from .state import State, from_facts
from .teardown import clear_run, teardown

if TYPE_CHECKING:
    from pathlib import Path

    from ...networks.types import PortBinding
    from ...runtime import wire
    from .service import Containers

log = logging.getLogger(__name__)

_SHIM_SECONDS = 20.0
"""How long a shim that lives may take to answer: on a busy machine that is seconds, and its container runs all the while."""


@dataclass(slots=True)
class Recovered:
    """What recovery found: ``live`` maps running containers to their ports, ``again`` are those to start once more."""

    live: dict[str, tuple[PortBinding, ...]]
    again: list[Container]


async def recover(containers: Containers) -> Recovered:
    """Load all containers. Call before the API opens; networks are recovered by the caller with ``live``."""
    found = Recovered({}, [])
    for id, body in containers.store.all("container").items():
        record = ContainerRecord.from_body(body)
        if not await containers.blocking(containers.layout.container_state(id).exists):
            # Its directory is made before its record and goes before it: it was removed on a disk that took no news of that.
            containers.forget_record(id)
            continue
        try:
            containers.reserve(record.name, id)
        except EngineError as error:
            log.error("container %s: %s", id[:12], error, extra=journal.fields(container=id[:12]))
            continue
        await _recover_one(containers, record, found)
    await containers.blocking(sweep, containers)
    return found


async def _recover_one(containers: Containers, record: ContainerRecord, found: Recovered) -> None:
    layout = containers.layout
    status_path = str(layout.container_state(record.id) / "status.json")
    status = statusfile.read(status_path)
    shim = None
    if status is not None and statusfile.shim_is_alive(status):
        shim = await _adopt(record.id, layout.container_run(record.id) / "shim.sock", status)
    if shim is None and status is not None:
        status = await _bury(containers, record, status_path, status)
    if shim is not None:
        prepared = await shim.prepared()
        container = Container(record, _live_state(prepared.state, record))
        container.shim = shim
        container.settled.clear()
        await _adopt_files(containers, record, prepared.state)
    else:
        facts = ShimState.parse(status) if status is not None else None
        if facts is not None and facts.manual:
            record = replace(record, manual=True)  # the engine that was asked to stop it could not write that down
        container = Container(record, from_facts(facts, alive=False, error=record.error, exit_code=record.exit_code))
    containers.add(container)
    if (saved := containers.store.get("health", record.id)) is not None:
        container.health = healthstate.Health.from_body(saved)
    if shim is not None and not container.state.active:
        # The engine was killed between the shim's birth and the program's start (or its end and the release).
        await teardown(containers, container)
    if container.state.active:
        await _resume(containers, container, found)
    elif record.removing or (record.spec.auto_remove and record.intent != "created"):
        await containers.blocking(clear_run, containers, record)
        remove.discard(layout, containers.trash, record.id)
        containers.forget(container)
    else:
        await _settle(containers, container, found)


async def _adopt(id: str, control: Path, status: wire.Status) -> ShimClient | None:
    """The shim, once it has answered; None when it has ended, which one that says nothing is made to: what is told of a
    container must be so."""
    pidfd = process.open_pidfd(status["shim_pid"], status["shim_starttime"])
    if pidfd is None:
        return None
    shim: ShimClient | None = None
    try:
        with anyio.move_on_after(_SHIM_SECONDS):
            try:
                shim = await ShimClient.connect(control)
                await shim.prepared()
            except ShimError:  # no shim leaves its socket before its end, and none without an engine waits for a start
                await anyio.wait_readable(pidfd)
                return None
            return shim
        if shim is not None:
            shim.close()
        log.error(
            "container %s: its supervisor does not answer, and is ended",
            id[:12],
            extra=journal.fields(container=id[:12]),
        )
        process.send_signal(pidfd, signal.SIGKILL)
        await anyio.wait_readable(pidfd)
        return None
    finally:
        os.close(pidfd)


async def _adopt_files(containers: Containers, record: ContainerRecord, state: ShimState) -> None:
    try:
        await containers.blocking(memory.adopt, containers.layout, record, state.shim_pid, state.shim_starttime)
    except (OSError, EngineError) as error:
        log.error(
            "container %s: its files in memory cannot be taken over: %s",
            record.id[:12],
            error,
            extra=journal.fields(**journal.of_container(record.id, record.labels)),
        )


async def _bury(containers: Containers, record: ContainerRecord, path: str, status: wire.Status) -> wire.Status | None:
    cgroup = bundle.cgroup_path(record, containers.layout)
    try:
        return await containers.blocking(statusfile.bury, path, cgroup)
    except (OSError, ValueError) as error:
        log.error(
            "container %s: cannot clean up after its shim: %s",
            record.id[:12],
            error,
            extra=journal.fields(**journal.of_container(record.id, record.labels)),
        )
        return statusfile.unknown_end(status)


def _live_state(facts: ShimState, record: ContainerRecord) -> State:
    return from_facts(facts, alive=True, error=record.error, exit_code=record.exit_code)


async def _resume(containers: Containers, container: Container, found: Recovered) -> None:
    """A container that went on while the engine was away."""
    found.live[container.id] = containers.networks.published(container.id)
    if container.record.intent != "running" and not container.record.manual:
        # The engine that started it was killed before it could write that down.
        containers.note(container, intent="running", error="", exit_code=0)
    if container.state.status == "running":
        try:
            frozen = await containers.blocking(stop.cgroup(containers, container).frozen)
        except OSError:
            frozen = False
        if frozen:
            container.state = replace(container.state, status="paused")
    supervise.watch(containers, container)
    if container.state.running:
        health.begin(containers, container, container.health)


async def _settle(containers: Containers, container: Container, found: Recovered) -> None:
    """A container that does not run: let go of what it held, record its end, and decide about a restart."""
    record = container.record
    await containers.blocking(clear_run, containers, record)
    await containers.blocking(autoports.rest, containers, record)
    was_running = record.intent == "running"
    if was_running:
        containers.note(container, intent="stopped")
        containers.publish(container, "die", exitCode=str(container.state.exit_code))
        supervise.publish_mounts(containers, container, "unmount")
    if record.intent != "created" and restart.decide_at_boot(
        record.spec.restart, was_running, record.manual, container.state.exit_code
    ):
        found.again.append(container)


async def restart_by_policy(containers: Containers, again: list[Container]) -> None:
    """Start those whose policy wants it; one that cannot start does not keep the others."""

    async def one(container: Container) -> None:
        try:
            await start.start(containers, container)
        except EngineError as error:
            log.error(
                "container %s: restart after recovery failed: %s",
                container.id[:12],
                error,
                extra=journal.fields(**journal.of_container(container.id, container.record.labels)),
            )

    async with anyio.create_task_group() as group:
        for container in again:
            group.start_soon(one, container)


async def revive(containers: Containers, container: Container, delay: float) -> None:
    """Start a container whose shim was killed, unless somebody has started or stopped it meanwhile."""
    exits = container.exits
    await anyio.sleep(delay)
    untouched = container.exits == exits and not container.state.active
    if untouched and not (container.removed or container.record.removing or container.record.manual):
        await restart_by_policy(containers, [container])


def sweep(containers: Containers) -> None:
    """Remove directories of containers that have no record: a create or a removal that was cut short."""
    layout = containers.layout
    known = {container.id for container in containers}
    for parent in (layout.state / "containers", layout.run / "containers", layout.files):
        if not parent.is_dir():
            continue
        for entry in parent.iterdir():
            if entry.name in known:
                continue
            for point in ipc.mounts_below(entry):
                ipc.unmount(point)
            containers.trash.take([entry])
