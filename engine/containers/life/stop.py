"""Ending and interrupting: stop, kill, restart, pause and unpause."""

from __future__ import annotations

import os
from dataclasses import replace
from signal import SIGTERM
from typing import TYPE_CHECKING

import anyio

from ...documents import NewerFormat
from ...errors import Conflict, EngineError, NotModified
from ...linux import cgroups, process
from ...linux.cgroup import Cgroup, Hierarchies
from ...linux.cgroup_none import Unconfined
from ...runtime.client import RequestError, ShimError, ShimLost
from ..spec import bundle, validate
from . import takeover

if TYPE_CHECKING:
    from .container import Container
    from .service import Containers

KILL = 9
KILL_GRACE = 10.0


async def stop(containers: Containers, container: Container, *, grace: int | None = None, signal: str = "") -> None:
    """Send the stop signal, SIGKILL after ``grace`` seconds (-1: never), and return when the container has ended.

    Raises NotModified when it does not run.
    """
    if container.state.running:
        seconds = container.record.spec.stop_timeout if grace is None else grace
        await takeover.give_up(containers, container, float(seconds))
    async with container.lock:
        if not container.state.active:
            raise NotModified("")
        with anyio.CancelScope(shield=True):
            await end(containers, container, grace, signal)
    containers.publish(container, "stop")


async def wind_up(containers: Containers, container: Container) -> None:
    """The machine goes down: as `stop`, but nobody has asked for it, so the next engine does what the restart policy says."""
    async with container.lock:
        shim = container.shim
        if not container.state.active or shim is None:
            return
        with anyio.CancelScope(shield=True):
            try:
                facts = (await shim.prepared()).state
            except (ShimError, NewerFormat):  # the others are to end in order all the same
                return
            pidfd = process.open_pidfd(facts.shim_pid, facts.shim_starttime)
            if pidfd is not None:
                process.send_signal(pidfd, SIGTERM)
                os.close(pidfd)
            await container.until(lambda: not container.state.active)


async def end(containers: Containers, container: Container, grace: int | None, signal: str) -> None:
    """The stop itself; the lock is held, and no stop event is told."""
    number = validate.signal_number(signal) if signal else container.record.spec.stop_signal
    seconds = container.record.spec.stop_timeout if grace is None else grace
    containers.note(container, intent="stopped", manual=True)
    exits = container.exits
    waiting = container.state.status == "restarting"
    shim = container.shim
    if shim is not None:
        containers.publish(container, "kill", signal=str(number))
        container.last_signal = number
        if container.state.status == "paused":
            containers.publish(container, "unpause")  # the shim thaws what it is to end
        try:
            await shim.stop(number, None if seconds < 0 else float(seconds))
        except ShimLost:
            pass  # the supervision task records what that means
        except RequestError as error:
            raise EngineError(f"cannot stop container: {container.id}: {error}") from None
    await container.until(lambda: not container.state.active or (waiting is False and container.exits > exits))


async def kill(containers: Containers, container: Container, number: int = KILL) -> None:
    """Send a signal at once, SIGKILL unless said otherwise. SIGKILL and the stop signal end it for the restart policy. A paused
    container goes on, unless it has a stop signal of its own and this is another one: so Docker has it."""
    shim = container.shim
    if not container.state.running or shim is None:
        if container.state.status == "restarting" and shim is not None and number == KILL:
            await shim.stop(number, 0.0)
            await container.until(lambda: not container.state.active)
            return
        raise Conflict(f"Container {container.id} is not running")
    final = number in (KILL, container.record.spec.stop_signal)
    if container.state.status == "paused" and (final or not container.record.spec.config["StopSignal"]):
        await containers.blocking(cgroup(containers, container).thaw)
        if not final:
            container.become(replace(container.state, status="running"))
        containers.publish(container, "unpause")
    exits = container.exits
    try:
        if final:
            containers.note(container, manual=True)
            await shim.kill(number)
        else:
            await shim.signal(number)
    except ShimLost:
        pass
    except RequestError as error:
        if container.exits == exits:
            raise Conflict(f"Container {container.id}: {error}") from None
    containers.publish(container, "kill", signal=str(number))
    if number == KILL:
        with anyio.move_on_after(KILL_GRACE):
            await container.until(lambda: not container.state.running or container.exits > exits)


def cgroup(containers: Containers, container: Container, hierarchies: Hierarchies | None = None) -> Cgroup:
    """The container's control group, or what stands for it where there are none. Whoever asks for many finds the
    ``hierarchies`` once: the list of mounts that they stand in grows with the containers."""
    path = bundle.cgroup_path(container.record, containers.layout)
    hierarchies = hierarchies or Hierarchies.discover()
    if not hierarchies.any:
        return Unconfined(path, container.state.pid, "mnt" if container.record.spec.pid.word else "pid")
    return cgroups.at(path, hierarchies)


async def pause(containers: Containers, container: Container) -> None:
    """Freeze every process of the container."""
    async with container.lock:
        state = container.state
        if state.status == "paused":
            raise Conflict(f"Container {container.id} is already paused")
        if state.status == "restarting":
            raise Conflict(f"Container {container.id} is restarting, wait until the container is running")
        if not state.running:
            raise Conflict(f"Container {container.id} is not running")
        try:
            await containers.blocking(cgroup(containers, container).freeze)
        except (OSError, TimeoutError) as error:
            if not process.is_alive(state.pid, state.pid_starttime):
                raise Conflict(f"Container {container.id} is not running") from None
            raise EngineError(f"cannot pause container {container.id}: {error}") from None
        if container.state.running:
            container.become(replace(container.state, status="paused"))
            containers.publish(container, "pause")


async def unpause(containers: Containers, container: Container) -> None:
    async with container.lock:
        if container.state.status != "paused":
            raise EngineError(f"Container {container.id} is not paused")  # 500, as documented
        try:
            await containers.blocking(cgroup(containers, container).thaw)
        except OSError as error:
            raise EngineError(f"cannot unpause container {container.id}: {error}") from None
        if container.state.running:
            container.become(replace(container.state, status="running"))
            containers.publish(container, "unpause")
