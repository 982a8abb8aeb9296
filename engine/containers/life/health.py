"""Health checks: when to probe, what a result means, and the task that does it. How a probe is made is probes.py.

The decisions are pure (``Health.after``, ``next_delay``). Until the first success probes come early and often, from
50 ms rising with the container's age to the interval, whatever the interval says: a dependant need not wait 30 s for a
server that is ready after one, only some 15 % longer than the server itself took. A failing early probe counts only as often as Docker's own schedule would have probed, so early probing never makes
a container unhealthy sooner. Failures inside the start period do not count.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Literal

import anyio

from ... import documents
from . import probes
from .probes import Probe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..spec.healthcheck import Check
    from ..spec.shown import HealthShown
    from .container import Container
    from .service import Containers

Status = Literal["starting", "healthy", "unhealthy"]

FIRST_DELAY = 0.05
SHARE_OF_AGE = 0.15
KEPT = 5


@dataclass(frozen=True, slots=True)
class Health:
    """``counted`` is when the last failure counted (seconds since the container's start). ``run`` is when the run began that
    this is the health of, in ns since the epoch; 0 in records from before that was noted."""

    status: Status = "starting"
    streak: int = 0
    log: tuple[Probe, ...] = ()
    counted: float = 0.0
    run: int = 0

    def after(self, check: Check, probe: Probe, age: float) -> Health:
        """The health after one more probe that ended when the container was ``age`` seconds old."""
        log = (*self.log, probe)[-KEPT:]
        if probe.exit_code == 0:
            return replace(self, status="healthy", streak=0, log=log, counted=age)
        # Free: within the start period, or sooner than a probe of the regular schedule would have come.
        if self.status == "starting" and age < max(self.counted, check.start_period) + check.interval:
            return replace(self, log=log)
        streak = self.streak + 1
        status: Status = "unhealthy" if streak >= check.retries else self.status
        return replace(self, status=status, streak=streak, log=log, counted=age)

    def to_docker(self) -> HealthShown:
        return {"Status": self.status, "FailingStreak": self.streak, "Log": [probe.to_docker() for probe in self.log]}

    def body(self) -> dict[str, object]:
        return {
            "status": self.status,
            "streak": self.streak,
            "counted": self.counted,
            "run": self.run,
            "log": [asdict(probe) for probe in self.log],
        }

    @staticmethod
    def from_body(body: Mapping[str, object]) -> Health:
        """A probe was a list before records had versions. Raises Incomplete."""
        known = body.get("log")
        log = tuple(
            Probe(*entry) if isinstance(entry, list) else documents.build(Probe, entry)
            for entry in (known if isinstance(known, list) else ())
        )
        return documents.build(Health, body, log=log)


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
