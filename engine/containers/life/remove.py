"""Removing containers: one, or those that have ended (prune). Volumes go only when the request says so."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import time
from typing import TYPE_CHECKING

import anyio

from ...errors import Conflict, NotFound
from ..view import filters
from . import autoports, idranges, memory, stop, takeover
from .teardown import teardown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...layout import Layout
    from ...trash import Trash
    from .container import Container
    from .service import Containers


log = logging.getLogger(__name__)


_KILL_AGAIN = 2.0
"""Seconds after which who is still there is killed once more."""


async def remove(containers: Containers, container: Container, *, force: bool, volumes: bool) -> None:
    """Delete the container; running ones only with ``force``; ``volumes`` takes its anonymous volumes along."""
    if container.record.removing and not container.removed and container.lock.locked():
        raise Conflict(f"removal of container {container.name} is already in progress")
    if container.state.active:
        if not force:
            raise Conflict(_refusal(container))
        await takeover.give_up(containers, container, 0.0)
        await _kill(containers, container)
    async with container.lock:
        if container.removed:
            raise NotFound(f"No such container: {container.id}")
        if container.state.active:
            if not force:
                raise Conflict(_refusal(container))
            await _kill(containers, container)
        with anyio.CancelScope(shield=True):
            containers.note(container, removing=True)
            try:
                await container.settled.wait()
                if container.shim is not None:
                    await teardown(containers, container)
                await containers.blocking(_delete, containers, container)
            except BaseException:
                containers.note(container, removing=False)
                raise
            names = [point.name for point in container.record.mounts if point.type == "volume" and point.anonymous]
            autoports.release(containers, container.record)
            container.removed = True
            containers.forget(container)
            container.notify()
            containers.publish(container, "destroy")
            if volumes:
                for name in names:
                    await _remove_volume(containers, name)


def _refusal(container: Container) -> str:
    status = container.state.status
    advice = "Unpause and then stop the container" if status == "paused" else "Stop the container"
    return f"You cannot remove a {status} container {container.id}. {advice} before attempting removal or force remove"


async def _kill(containers: Containers, container: Container) -> None:
    while container.state.active:
        try:
            if container.lock.locked():
                await stop.kill(containers, container)
            else:
                async with container.lock:
                    if container.state.active:
                        await stop.end(containers, container, 0, "SIGKILL")
        except Conflict:
            pass
        # Once more where the program has ended by itself meanwhile and a policy starts it again.
        with anyio.move_on_after(_KILL_AGAIN):
            await container.until(lambda: not container.state.active)


async def _remove_volume(containers: Containers, name: str) -> None:
    try:
        await containers.blocking(containers.volumes.remove, name)
    except (Conflict, NotFound):
        return  # another container uses it, or it is gone already


def _delete(containers: Containers, container: Container) -> None:
    if container.record.ids:
        idranges.give_back(container.record.ids, containers.layout.container_state(container.id))
    discard(containers.layout, containers.trash, container.id)


def discard(layout: Layout, trash: Trash, id: str) -> None:
    """Put a container's directories aside, to be deleted. The upper layer is the container's: names in it are never
    followed."""
    shutil.rmtree(layout.container_run(id), ignore_errors=True)
    memory.discard(layout, id)
    state = layout.container_state(id)
    if not state.exists():
        return
    doomed = state.with_name(f"{id}.removing")
    try:
        os.rename(state, doomed)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        log.warning("cannot delete %s: %s; a start of the engine on a writable disk does", state, error.strerror)
        return
    trash.take([doomed])


async def prune(containers: Containers, wanted: Mapping[str, Sequence[str]]) -> tuple[list[str], int]:
    """Remove every container that does not run and passes the filters (until, label, label!): ids and bytes freed."""
    filters.check(wanted, filters.PRUNING)
    removed, freed = [], 0
    for container in containers:
        if container.state.active or not filters.prunable(container, wanted, time.time_ns()):
            continue
        size = await containers.blocking(upper_size, containers, container)
        try:
            await remove(containers, container, force=False, volumes=False)
        except (NotFound, Conflict):
            continue
        removed.append(container.id)
        freed += size
    if removed:
        await containers.blocking(containers.trash.empty)  # who prunes wants the space now
    containers.events.publish("container", "prune", "", {"reclaimed": str(freed)})
    return removed, freed


def upper_size(containers: Containers, container: Container) -> int:
    """SizeRw: bytes of regular files in the container's own layer."""
    from ...linux.tree import tree_size

    return tree_size(containers.layout.container_state(container.id) / "upper")
