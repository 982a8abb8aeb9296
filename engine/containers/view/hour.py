"""What containers have used in the last hour: a ring of samples for each, of bounded size, so that who looks late sees what was.

The ring is in memory, and each sample is written behind the container's state as well (``state/containers/<id>/hour``): an engine that
follows another one, or a killed one, goes on with it. The file goes with its container. A disk that takes nothing costs no sample.
"""

from __future__ import annotations

import os
import struct
import time
from array import array
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import anyio

from ...linux.cgroup import Hierarchies
from ..life import stop

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

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


_HEADER = b"pycompose hour 1"
"""How a file begins, 16 bytes. One that begins otherwise is of another version, or none of ours: it is begun anew."""

_SLOT = struct.Struct(f"={WIDTH}d")


class Ring:
    """The newest `SAMPLES` samples, of which those of the last hour are told."""

    def __init__(self, samples: Sequence[Sample] = ()) -> None:
        self._numbers = array("d")
        for one in samples:
            self.add(one)

    def __len__(self) -> int:
        return len(self._numbers) // WIDTH

    def add(self, sample: Sample) -> None:
        self._numbers.extend(sample)
        del self._numbers[: -SAMPLES * WIDTH]

    def columns(self, since: float = 0.0) -> dict[str, list[float]]:
        """By field of `Sample`, oldest first; those before ``since`` are left out."""
        first = next((at for at in range(0, len(self._numbers), WIDTH) if self._numbers[at] >= since), None)
        kept = array("d") if first is None else self._numbers[first:]
        return {name: kept[at::WIDTH].tolist() for at, name in enumerate(Sample._fields)}


def read(path: Path) -> list[Sample]:
    """The samples of a file, oldest first; none of one that is missing, cut short or of another version."""
    try:
        data = path.read_bytes()
    except OSError:
        return []
    if data[: len(_HEADER)] != _HEADER:
        return []
    whole = data[len(_HEADER) : len(_HEADER) + SAMPLES * _SLOT.size]
    found = map(Sample._make, _SLOT.iter_unpack(whole[: len(whole) // _SLOT.size * _SLOT.size]))
    return sorted((one for one in found if one.at > 0), key=lambda one: one.at)


def write(path: Path, sample: Sample) -> None:
    """Put a sample into its place in the file's ring, which its time says: that of one an hour before. Raises OSError."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        if os.pread(fd, len(_HEADER), 0) != _HEADER:
            os.ftruncate(fd, 0)
            os.pwrite(fd, _HEADER, 0)
        place = int(sample.at / PERIOD) % SAMPLES
        os.pwrite(fd, _SLOT.pack(*sample), len(_HEADER) + place * _SLOT.size)
    finally:
        os.close(fd)


class Hours:
    """The rings of one engine's containers."""

    def __init__(self, containers: Containers) -> None:
        self._containers = containers
        self._rings: dict[str, Ring] = {}

    async def of(self, id: str) -> dict[str, list[float]]:
        """The samples of a container's last hour as `Ring.columns`."""
        if id not in self._rings:
            found = await self._containers.blocking(read, self._path(id))
            self._rings.setdefault(id, Ring(found))
        return self._rings[id].columns(time.time() - SAMPLES * PERIOD)

    async def watch(self) -> None:
        """Take samples until cancelled."""
        while True:
            await anyio.sleep(PERIOD)
            await self.take()

    async def take(self) -> None:
        """One sample of everything that runs; rings of what is gone are dropped."""
        running = [one for one in self._containers if one.state.running]
        if running:
            known = frozenset(self._rings)
            for id, (before, sample) in (await self._containers.blocking(self._sampled, running, known)).items():
                self._rings.setdefault(id, Ring(before)).add(sample)
        there = {one.id for one in self._containers}
        for id in self._rings.keys() - there:
            del self._rings[id]

    def _path(self, id: str) -> Path:
        return self._containers.layout.container_state(id) / "hour"

    def _sampled(
        self, running: Sequence[Container], known: frozenset[str]
    ) -> Mapping[str, tuple[list[Sample], Sample]]:
        """For each a sample, and those of its file unless its ring is ``known``."""
        from .stats import counters

        hierarchies = Hierarchies.discover()
        found = {}
        for one in running:
            path = self._path(one.id)
            before = [] if one.id in known else read(path)
            group = stop.cgroup(self._containers, one, hierarchies)
            fresh = sample(counters(group, one.state.pid), time.time())
            with suppress(OSError):  # a full disk, or a container that is being removed
                write(path, fresh)
            found[one.id] = before, fresh
        return found


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
