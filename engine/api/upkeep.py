"""What `gc` of the configuration asks for, done in the background: build cache, unused images, logs of what has ended. No volumes.

When an image was last in use nobody writes down, so each look does; an image counts as unused from the last look that saw it in use, or
from the first that saw it at all. A look that is due is made up for at the next start, for an engine that nobody needs leaves.
"""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, TypedDict, cast

import anyio

from ..errors import EngineError
from ..images.types import ImageUser

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..configuration.upkeep import Upkeep
    from ..containers.life.container import Container
    from .daemon import Daemon

log = logging.getLogger(__name__)

KIND, LAST, SEEN = "upkeep", "last", "images"


class Done(TypedDict):
    """What a look has taken away: counts, and bytes that this gave back. ``Time`` in seconds since the epoch."""

    Time: float
    Caches: int
    Images: int
    Logs: int
    Reclaimed: int


def due(last: float, now: float, every: float) -> float:
    """Seconds until the next look; a clock that was set back does not put it off."""
    return 0.0 if last > now else max(0.0, last + every - now)


def seen(before: Mapping[str, float], present: Iterable[str], used: Iterable[str], now: float) -> dict[str, float]:
    """By image, when it was last seen in use; ``now`` for those that are, and for those nobody has seen before."""
    busy = set(used)
    return {image: now if image in busy else min(before.get(image, now), now) for image in present}


def unused(times: Mapping[str, float], now: float, age: float) -> list[str]:
    """The images that were not in use for ``age`` seconds, the longest first."""
    return sorted((image for image, last in times.items() if now - last > age), key=lambda image: times[image])


async def watch(daemon: Daemon, policy: Upkeep) -> None:
    """Look again and again. What goes wrong is logged, and no reason to end."""
    while policy.is_wanted:
        last = float(str((daemon.store.get(KIND, LAST) or {}).get("Time", 0.0)))
        await anyio.sleep(due(last, time.time(), policy.every))
        try:
            done = await look(daemon, policy, time.time())
        except (EngineError, OSError, MemoryError) as error:
            log.warning("gc: %s", error or "Cannot allocate memory")
            await anyio.sleep(policy.every)
            continue
        daemon.store.keep(KIND, LAST, done)
        if done["Caches"] or done["Images"] or done["Logs"]:
            words = "%d of the build cache, %d images, %d logs, %d bytes"
            log.info(f"gc: {words}", done["Caches"], done["Images"], done["Logs"], done["Reclaimed"])


async def look(daemon: Daemon, policy: Upkeep, now: float) -> Done:
    """Take away what the policy has no room for."""
    caches, freed = await daemon.containers.blocking(_caches, daemon, policy, now)
    images, more = await daemon.containers.blocking(_images, daemon, policy, now)
    logs = 0
    if policy.logs_unused is not None:
        for container in list(daemon.containers):
            count, size = await _logs(daemon, container, now - policy.logs_unused)
            logs, freed = logs + count, freed + size
    return {"Time": now, "Caches": caches, "Images": images, "Logs": logs, "Reclaimed": freed + more}


def _caches(daemon: Daemon, policy: Upkeep, now: float) -> tuple[int, int]:
    count = freed = 0
    if policy.cache_unused is not None:
        removed, size = daemon.builder.prune(all=True, until=now - policy.cache_unused)
        count, freed = len(removed), size
    if policy.cache_size is not None:
        removed, size = daemon.builder.prune(keep_storage=max(policy.cache_size, 1))
        count, freed = count + len(removed), freed + size
    if count:
        daemon.events.publish("builder", "prune", "", {"reclaimed": str(freed), "by": "gc"})
    return count, freed


def _images(daemon: Daemon, policy: Upkeep, now: float) -> tuple[int, int]:
    if policy.images_unused is None:
        return 0, 0
    before = cast("Mapping[str, float]", (daemon.store.get(KIND, SEEN) or {}).get("seen") or {})
    present = {image.id: image for image in daemon.images.list()}
    used = [image for image in present if daemon.containers.image_users(image)]
    times = seen(before, present, used, now)
    count = freed = 0
    for identity in unused(times, now, policy.images_unused):
        try:
            daemon.images.remove(identity, force=True, in_use=lambda id: _refusing(daemon, id))
        except EngineError as error:
            log.info("gc: image %s stays: %s", identity, error)  # a container has taken it just now
            continue
        count, freed = count + 1, freed + present[identity].size
        del times[identity]
    daemon.store.keep(KIND, SEEN, {"seen": times})
    if count:
        daemon.events.publish("image", "prune", "", {"reclaimed": str(freed), "by": "gc"})
    return count, freed


def _refusing(daemon: Daemon, image: str) -> list[ImageUser]:
    """Every container counts as running: force takes tags away, and never an image that one is made from."""
    return [ImageUser(id, True) for id, _ in daemon.containers.image_users(image)]


async def _logs(daemon: Daemon, container: Container, before: float) -> tuple[int, int]:
    """The log of a container that has ended, when its last line is older than that."""
    if container.state.active or container.lock.locked():
        return 0, 0
    async with container.lock:  # nobody starts it meanwhile
        if container.removed or container.state.active or container.shim is not None:
            return 0, 0
        directory = daemon.layout.container_state(container.id) / "log"
        return await daemon.containers.blocking(_emptied, str(directory), before)


def _emptied(path: str, before: float) -> tuple[int, int]:
    """Delete the files of a log if all were written before; whether there were any, and their bytes."""
    try:
        directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0, 0
    try:
        found = {name: os.stat(name, dir_fd=directory, follow_symlinks=False) for name in os.listdir(directory)}
        if any(one.st_mtime > before for one in found.values()):
            return 0, 0
        for name in found:
            os.unlink(name, dir_fd=directory)
    finally:
        os.close(directory)
    return (1 if found else 0), sum(one.st_blocks * 512 for one in found.values())
