"""What the engine does when a shim reports: states, events, waiting requests, teardown, removal and health.

One task per container with a shim reads its events in order. Nobody else changes a container's run state, save a start,
whose answer says the same as the event that follows it.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import anyio

from ...errors import Conflict, NotFound
from ...linux import process
from ...runtime import restart, statusfile
from ...runtime.client import Exited, Lost, OutOfMemory, Started
from ..spec import bundle
from . import execs, health
from .remove import remove
from .state import UNKNOWN_EXIT, State
from .teardown import teardown

if TYPE_CHECKING:
    from ..spec.record import ContainerRecord
    from .container import Container
    from .service import Containers

BURIAL_SECONDS = 2.0


def watch(containers: Containers, container: Container) -> None:
    """Follow the events of the container's shim until it is released."""
    shim = container.shim
    if shim is None:
        return

    async def follow() -> None:
        async for event in shim.events():
            if isinstance(event, Started):
                on_started(containers, container, event)
            elif isinstance(event, Exited):
                await on_exited(containers, container, event)
            elif isinstance(event, OutOfMemory):
                container.oom_told = True
                containers.publish(container, "oom")
            elif isinstance(event, Lost) and container.shim is shim:
                await on_lost(containers, container)

    containers.spawn(f"supervision of {container.id[:12]}", follow)


def on_started(containers: Containers, container: Container, started: Started) -> None:
    """The program runs: by a start just answered, or by the shim's restart policy. Telling it twice does nothing."""
    state = container.state
    if state.running and state.pid == started.pid and state.started_at == started.started_at:
        return
    if state.started_at is not None and started.started_at <= state.started_at:
        return
    container.last_signal = 0
    container.oom_told = False
    container.become(
        State(
            "running",
            started.pid,
            started.pid_starttime,
            started_at=started.started_at,
            finished_at=state.finished_at,
            restart_count=started.restart_count,
        )
    )
    publish_mounts(containers, container, "mount")
    containers.publish(container, "start")
    health.begin(containers, container)


def publish_mounts(containers: Containers, container: Container, action: Literal["mount", "unmount"]) -> None:
    """Tell of each of the container's volumes that it is in use from now on, or no longer."""
    for point in container.record.mounts:
        if point.type == "volume":
            about = {"driver": "local", "container": container.id}
            if action == "mount":
                written = "true" if point.rw else "false"
                about |= {"destination": point.destination, "read/write": written, "propagation": point.propagation}
            containers.events.publish("volume", action, point.name, about)


async def on_exited(containers: Containers, container: Container, event: Exited) -> None:
    code = UNKNOWN_EXIT if event.exit_code is None else event.exit_code
    error = event.error or ("the exit status was lost" if event.exit_code is None else "")
    seconds = max(0, event.finished_at - (event.started_at or event.finished_at)) // 1_000_000_000
    called_off = container.state.status == "restarting" and container.state.finished_at == event.finished_at
    state = State(
        "restarting" if event.restarting else "exited",
        exit_code=code,
        error=error,
        oom_killed=event.oom_killed,
        started_at=event.started_at,
        finished_at=event.finished_at,
        restart_count=event.restart_count,
    )
    if event.oom_killed and not called_off and not container.oom_told:
        containers.publish(container, "oom")
    if code == 128 + signal.SIGKILL and container.last_signal not in (0, signal.SIGKILL):
        containers.publish(container, "kill", signal=str(int(signal.SIGKILL)))  # the grace period was over
    container.last_signal = 0
    final = not event.restarting and not container.keep
    if final:
        # Before anyone hears of the end: who starts the container again must find its networks and ports free.
        await teardown(containers, container)
        containers.note(container, intent="stopped", manual=event.manual)
    if not called_off:  # a restart that was called off tells of an end that has been told
        containers.publish(container, "die", exitCode=str(code), execDuration=str(seconds))
        publish_mounts(containers, container, "unmount")
        container.exits += 1
    if container.health is not None:
        container.health = replace(container.health, status="unhealthy")  # as Docker shows what nobody probes
    if container.inbox is not None:
        container.inbox.forget()
    execs.forget_unstarted(container)
    container.become(state)
    if final and container.record.spec.auto_remove:
        remove_soon(containers, container)


async def on_lost(containers: Containers, container: Container) -> None:
    """The shim was killed. Its container dies with it; nobody knows how it ended, and its restart policy is now the engine's to follow."""
    asked_for = container.lock.locked()  # a stop or a removal finds the shim gone, and has the last word
    await _bury(containers, container.record)
    await teardown(containers, container)
    if not container.state.active:
        return
    containers.note(
        container,
        intent="stopped",
        manual=False,
        exit_code=UNKNOWN_EXIT,
        error="the container's supervisor died; the exit status was lost",
    )
    containers.publish(container, "die", exitCode=str(UNKNOWN_EXIT))
    publish_mounts(containers, container, "unmount")
    container.exits += 1
    container.become(
        replace(container.state, status="exited", pid=0, exit_code=UNKNOWN_EXIT, error=container.record.error)
    )
    if container.record.spec.auto_remove:
        remove_soon(containers, container)
    elif not asked_for:
        _revive(containers, container)


def _revive(containers: Containers, container: Container) -> None:
    state = container.state
    ran_for = max(0, time.time_ns() - (state.started_at or 0)) / 1e9
    again = restart.decide(
        container.record.spec.restart, None, container.revivals, ran_for, previous_delay=container.revival_delay
    )
    if again is None or containers.revive is None:
        return
    container.revivals = 1 if ran_for >= restart.STEADY else again.attempt
    container.revival_delay = again.delay
    containers.revive(container, again.delay)


async def _bury(containers: Containers, record: ContainerRecord) -> None:
    """End what a killed shim has left. The keeper does the same for its own children; a shim that an earlier keeper has
    forked is nobody's."""
    path = str(containers.layout.container_state(record.id) / "status.json")
    status = statusfile.read(path)
    if status is None:
        return
    pidfd = process.open_pidfd(status["shim_pid"], status["shim_starttime"])
    try:
        if pidfd is not None:
            # Its connection closes a moment before it has ended.
            with anyio.fail_after(BURIAL_SECONDS):
                await anyio.wait_readable(pidfd)
        group = bundle.cgroup_path(record, containers.layout)
        await containers.blocking(statusfile.bury, path, group)
    except (OSError, ValueError, TimeoutError) as error:
        containers.warn(f"after the shim of {record.id[:12]}: {error}")
    finally:
        if pidfd is not None:
            os.close(pidfd)


def remove_soon(containers: Containers, container: Container) -> None:
    """Remove an AutoRemove container with its anonymous volumes, after whoever holds its lock."""

    async def work() -> None:
        try:
            await remove(containers, container, force=False, volumes=True)
        except (Conflict, NotFound):
            return  # someone else is at it, or was faster

    containers.spawn(f"removal of {container.id[:12]}", work)
