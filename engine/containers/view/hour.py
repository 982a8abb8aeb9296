"""What containers have used in the last hour: a ring of samples for each, of bounded size, so that who looks late sees what was.

The engine keeps it in memory: it begins anew with the engine, and ends with its container.
"""

from __future__ import annotations

import time
from array import array
from typing import TYPE_CHECKING, NamedTuple

import anyio

from ...linux.cgroup import Hierarchies
from ..life import stop

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..life.container import Container
    from ..life.service import Containers
    from .stats import Counters

PERIOD = 10.0
"""Seconds between two samples: six times fewer than who watches takes, so that an engine nobody looks at stays quiet."""

SAMPLES = 360
"""So many samples are kept of each container: an hour, in 26 KB."""


class Sample(NamedTuple):
    """One sample. ``at`` is in seconds since the epoch, ``processor`` in nanoseconds so far, ``memory`` without what can be
    dropped; sizes are in bytes, those of network and disk so far."""

    at: float
    processor: float
    memory: float
    limit: float
    received: float
    sent: float
    read: float
    written: float
    pids: float


WIDTH = len(Sample._fields)


class Ring:
    """The newest `SAMPLES` samples."""

    def __init__(self) -> None:
        self._numbers = array("d")

    def __len__(self) -> int:
        return len(self._numbers) // WIDTH

    def add(self, sample: Sample) -> None:
        self._numbers.extend(sample)
        del self._numbers[: -SAMPLES * WIDTH]

    def columns(self) -> dict[str, list[float]]:
        """By field of `Sample`, oldest first."""
        return {name: self._numbers[at::WIDTH].tolist() for at, name in enumerate(Sample._fields)}


class Hours:
    """The rings of one engine's containers."""

    def __init__(self, containers: Containers) -> None:
        self._containers = containers
        self._rings: dict[str, Ring] = {}

    def of(self, id: str) -> dict[str, list[float]]:
        """The samples of a container as `Ring.columns`."""
        return self._rings.get(id, Ring()).columns()

    async def watch(self) -> None:
        """Take samples until cancelled."""
        while True:
            await anyio.sleep(PERIOD)
            await self.take()

    async def take(self) -> None:
        """One sample of everything that runs; rings of what is gone are dropped."""
        running = [one for one in self._containers if one.state.running]
        if running:
            for id, sample in (await self._containers.blocking(self._read, running)).items():
                self._rings.setdefault(id, Ring()).add(sample)
        there = {one.id for one in self._containers}
        for id in self._rings.keys() - there:
            del self._rings[id]

    def _read(self, running: Sequence[Container]) -> Mapping[str, Sample]:
        from .stats import counters

        hierarchies = Hierarchies.discover()
        groups = [(one.id, stop.cgroup(self._containers, one, hierarchies), one.state.pid) for one in running]
        return {id: sample(counters(group, pid), time.time()) for id, group, pid in groups}


def sample(found: Counters, at: float) -> Sample:
    """The sums of what the control group and the interfaces count."""
    memory = found.memory
    used = memory.get("usage", 0)
    details = memory.get("stats") or {}
    cache = details.get("total_inactive_file", details.get("inactive_file", 0))
    moved = {"read": 0, "write": 0}
    for one in found.blkio["io_service_bytes_recursive"]:
        word = one["op"].lower()
        if word in moved:
            moved[word] += one["value"]
    interfaces = (found.networks or {}).values()
    return Sample(
        at=at,
        processor=found.cpu["cpu_usage"]["total_usage"] if found.cpu else 0,
        memory=used - cache if cache < used else used,
        limit=memory.get("limit", 0),
        received=sum(one["rx_bytes"] for one in interfaces),
        sent=sum(one["tx_bytes"] for one in interfaces),
        read=moved["read"],
        written=moved["write"],
        pids=found.pids.get("current", 0),
    )
