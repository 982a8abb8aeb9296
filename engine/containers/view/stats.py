"""A container's counters in the shape of the API's stats: the control group's numbers, and its interfaces'."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NamedTuple

from ...timestamps import ZERO_TIME, rfc3339
from ..life import stop

if TYPE_CHECKING:
    from ...linux import oci
    from ...linux.cgroup import Cgroup
    from ..life.container import Container
    from ..life.service import Containers
    from ..spec.shown import BlockEntry, CpuStats, CpuUsage, InterfaceStats, MemoryStats, PidsStats, Stats

_NS_PER_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


class Meter:
    """Reads one container's counters again and again; each document carries the reading before it."""

    def __init__(self, containers: Containers, container: Container) -> None:
        self._containers = containers
        self._container = container
        self._before: CpuStats | None = None
        self._read = ZERO_TIME

    async def read(self) -> Stats:
        """One stats document. A container that does not run gives zeros, as in Docker."""
        container = self._container
        now = rfc3339(time.time_ns())
        if container.state.running:
            cgroup = stop.cgroup(self._containers, container)
            found = await self._containers.blocking(counters, cgroup, container.state.pid)
        else:
            found = _NOTHING
        empty_cpu: CpuStats = {
            "cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0},
            "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
        }
        document: Stats = {
            "read": now if container.state.running else ZERO_TIME,
            "preread": self._read,
            "pids_stats": found.pids,
            "blkio_stats": found.blkio,
            "num_procs": 0,
            "storage_stats": {},
            "cpu_stats": found.cpu or empty_cpu,
            "precpu_stats": self._before or empty_cpu,
            "memory_stats": found.memory,
            "name": f"/{container.name}",
            "id": container.id,
            "os_type": "linux",
        }
        if found.networks is not None:
            document["networks"] = found.networks
        self._before, self._read = found.cpu, document["read"]
        return document


class Counters(NamedTuple):
    """What the kernel counts of one container; ``cpu`` and ``networks`` None where it counts nothing."""

    pids: PidsStats
    blkio: dict[str, list[BlockEntry]]
    cpu: CpuStats | None
    memory: MemoryStats
    networks: dict[str, InterfaceStats] | None


def counters(cgroup: Cgroup, pid: int) -> Counters:
    """Read a control group, and the interfaces of process ``pid``. Blocks."""
    raw = cgroup.stats()
    pids: PidsStats = {}
    if "pids" in raw:
        pids["current"] = raw["pids"]["current"]
        if limit := raw["pids"].get("limit"):
            pids["limit"] = limit
    return Counters(
        pids, _block(raw.get("blkio")), _cpu(raw.get("cpu") or {}), _memory(raw.get("memory")), _interfaces(pid)
    )


def _cpu(raw: oci.CpuCounters) -> CpuStats:
    usage: oci.CpuUsage = raw.get("usage") or {"total": 0, "user": 0, "kernel": 0}
    throttling: oci.Throttling = raw.get("throttling") or {"periods": 0, "throttledPeriods": 0, "throttledTime": 0}
    shown: CpuUsage = {
        "total_usage": usage["total"],
        "usage_in_kernelmode": usage["kernel"],
        "usage_in_usermode": usage["user"],
    }
    if percpu := usage.get("percpu"):
        shown["percpu_usage"] = percpu
    return {
        "cpu_usage": shown,
        "system_cpu_usage": _system_cpu(),
        "online_cpus": os.cpu_count() or 1,
        "throttling_data": {
            "periods": throttling["periods"],
            "throttled_periods": throttling["throttledPeriods"],
            "throttled_time": throttling["throttledTime"],
        },
    }


def _system_cpu() -> int:
    """Nanoseconds of cpu time of the whole machine since boot."""
    with open("/proc/stat") as file:
        return sum(int(number) for number in file.readline().split()[1:8]) * _NS_PER_TICK


def _memory(raw: oci.MemoryCounters | None) -> MemoryStats:
    if not raw:
        return {}
    usage = raw["usage"]
    limit = usage.get("limit")
    if not limit:
        with open("/proc/meminfo") as file:
            limit = int(file.readline().split()[1]) * 1024
    shown: MemoryStats = {"usage": usage.get("usage") or 0, "stats": raw.get("raw") or {}, "limit": limit}
    if (most := usage.get("max")) is not None:
        shown["max_usage"] = most
    if failures := usage.get("failcnt"):
        shown["failcnt"] = failures
    return shown


_BLOCK_EMPTY = (
    "io_queue_recursive",
    "io_service_time_recursive",
    "io_wait_time_recursive",
    "io_merged_recursive",
    "io_time_recursive",
    "sectors_recursive",
)


def _block(raw: oci.BlockCounters | None) -> dict[str, list[BlockEntry]]:
    shown: dict[str, list[BlockEntry]] = {
        "io_service_bytes_recursive": [{**one} for one in raw["ioServiceBytesRecursive"]] if raw else [],
        "io_serviced_recursive": [{**one} for one in raw["ioServicedRecursive"]] if raw else [],
    }
    return shown | {name: [] for name in _BLOCK_EMPTY}


_NOTHING = Counters({}, _block(None), None, {}, None)


def _interfaces(pid: int) -> dict[str, InterfaceStats] | None:
    """The interfaces of a process's network namespace, by name, without lo."""
    try:
        with open(f"/proc/{pid}/net/dev") as file:
            lines = file.read().splitlines()[2:]
    except OSError:
        return None
    result: dict[str, InterfaceStats] = {}
    for line in lines:
        name, _, rest = line.partition(":")
        numbers = [int(number) for number in rest.split()]
        if name.strip() == "lo" or len(numbers) < 12:
            continue
        result[name.strip()] = {
            "rx_bytes": numbers[0],
            "rx_packets": numbers[1],
            "rx_errors": numbers[2],
            "rx_dropped": numbers[3],
            "tx_bytes": numbers[8],
            "tx_packets": numbers[9],
            "tx_errors": numbers[10],
            "tx_dropped": numbers[11],
        }
    return result
