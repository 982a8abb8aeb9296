"""Health checks: when to probe, what a result means, and the task that does it. How a probe is made is probes.py.

The decisions are pure (``Health.after``, ``next_delay``). Until the first success probes come early and often, from
50 ms rising with the container's age to the interval, whatever the interval says: a dependant need not wait 30 s for a
server that is ready after one, only some 15 % longer than the server itself took. A failing early probe counts only as often as Docker's own schedule would have probed, so early probing never makes
a container unhealthy sooner. Failures inside the start period do not count.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import anyio

from . import probes
from .healthstate import Health

if TYPE_CHECKING:
    from ..spec.healthcheck import Check
    from .container import Container
    from .service import Containers

FIRST_DELAY = 0.05
SHARE_OF_AGE = 0.15


def next_delay(check: Check, health: Health, age: float) -> float:
    """Seconds until the next probe, for a container ``age`` seconds old. A slow probe is given a pause of its own length."""
    if health.status == "starting":
        ceiling = check.interval
        if check.start_interval and age < check.start_period:
            ceiling = min(ceiling, check.start_interval)
        took = (health.log[-1].end - health.log[-1].start) / 1e9 if health.log else 0.0
        return min(max(FIRST_DELAY, age * SHARE_OF_AGE, took), ceiling)
    return check.interval


def begin(containers: Containers, container: Container, health: Health | None = None) -> None:
    """Start probing a container that just started (or, with ``health``, one found running)."""
    check = container.record.spec.health
    if check is None:
        return
    run = container.state.started_at
    if health is None or health.run not in (0, run or 0):
        health = Health(run=run or 0)
    container.health = health

    async def monitor() -> None:
        async with probes.opened(containers, container, check) as prober:
            await _monitor(containers, container, check, run, prober)

    containers.spawn(f"health of {container.id[:12]}", monitor)


def _age(container: Container) -> float:
    return max(0.0, (time.time_ns() - (container.state.started_at or 0)) / 1e9)


async def _monitor(
    containers: Containers, container: Container, check: Check, run: int | None, prober: probes.Prober
) -> None:
    def over() -> bool:
        return not container.state.running or container.state.started_at != run

    while not over():
        now = container.health or Health()
        if prober.once and now.status == "healthy":
            await container.until(over)
            return
        with anyio.move_on_after(check.interval if prober.once else next_delay(check, now, _age(container))):
            await prober.due(over)
        await container.until(lambda: container.state.status != "paused")
        if over():
            return
        probe = await prober.probe()
        if probe is None or over():
            return
        before = container.health or Health()
        after = before.after(check, probe, _age(container))
        container.health = after
        if after.status != before.status:
            containers.store.keep("health", container.id, after.body())
            containers.publish(container, f"health_status: {after.status}")
        container.notify()
