"""A container's counters in the shape of the API's stats: the control group's numbers, and its interfaces'."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from ...timestamps import ZERO_TIME, rfc3339
from ..life import stop

if TYPE_CHECKING:
    from ..life.container import Container
    from ..life.service import Containers

_NS_PER_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


class Meter:
    """Reads one container's counters again and again; each document carries the reading before it."""

    def __init__(self, containers: Containers, container: Container) -> None:
        self._containers = containers
        self._container = container
        self._before: dict[str, Any] | None = None
        self._read = ZERO_TIME

    async def read(self) -> dict[str, Any]:
        """One stats document. A container that does not run gives zeros, as in Docker."""
        container = self._container
        now = rfc3339(time.time_ns())
        if container.state.running:
            cgroup = stop.cgroup(self._containers, container)
            counters = await self._containers.blocking(_counters, cgroup, container.state.pid)
        else:
            counters = {"pids": {}, "blkio": {}, "cpu": {}, "memory": {}, "networks": None}
        empty_cpu = {
            "cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0},
            "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
        }
        document: dict[str, Any] = {
            "read": now if container.state.running else ZERO_TIME,
            "preread": self._read,
            "pids_stats": counters["pids"],
            "blkio_stats": counters["blkio"] or _block({}),
            "num_procs": 0,
            "storage_stats": {},
            "cpu_stats": counters["cpu"] or empty_cpu,
            "precpu_stats": self._before or empty_cpu,
            "memory_stats": counters["memory"],
            "name": f"/{container.name}",
            "id": container.id,
            "os_type": "linux",
        }
        if counters["networks"] is not None:
            document["networks"] = counters["networks"]
        self._before, self._read = counters["cpu"] or None, document["read"]
        return document


def _counters(cgroup: Any, pid: int) -> dict[str, Any]:
    raw = cgroup.stats()
    return {
        "pids": {"current": raw["pids"]["current"], **({"limit": limit} if (limit := raw["pids"].get("limit")) else {})}
        if "pids" in raw
        else {},
        "blkio": _block(raw.get("blkio") or {}),
        "cpu": _cpu(raw.get("cpu") or {}),
        "memory": _memory(raw.get("memory") or {}),
        "networks": _interfaces(pid),
    }


def _cpu(raw: dict[str, Any]) -> dict[str, Any]:
    usage, throttling = raw.get("usage") or {}, raw.get("throttling") or {}
    shown = {
        "total_usage": usage.get("total", 0),
        "usage_in_kernelmode": usage.get("kernel", 0),
        "usage_in_usermode": usage.get("user", 0),
    }
    if usage.get("percpu"):
        shown["percpu_usage"] = usage["percpu"]
    return {
        "cpu_usage": shown,
        "system_cpu_usage": _system_cpu(),
        "online_cpus": os.cpu_count() or 1,
        "throttling_data": {
            "periods": throttling.get("periods", 0),
            "throttled_periods": throttling.get("throttledPeriods", 0),
            "throttled_time": throttling.get("throttledTime", 0),
        },
    }


def _system_cpu() -> int:
    """Nanoseconds of cpu time of the whole machine since boot."""
    with open("/proc/stat") as file:
        return sum(int(number) for number in file.readline().split()[1:8]) * _NS_PER_TICK


def _memory(raw: dict[str, Any]) -> dict[str, Any]:
    if not raw:
        return {}
    usage = raw.get("usage") or {}
    limit = usage.get("limit")
    if not limit:
        with open("/proc/meminfo") as file:
            limit = int(file.readline().split()[1]) * 1024
    shown = {"usage": usage.get("usage", 0), "stats": raw.get("raw") or {}, "limit": limit}
    if usage.get("max") is not None:
        shown["max_usage"] = usage["max"]
    if usage.get("failcnt"):
        shown["failcnt"] = usage["failcnt"]
    return shown


def _block(raw: dict[str, Any]) -> dict[str, Any]:
    names = {"io_service_bytes_recursive": "ioServiceBytesRecursive", "io_serviced_recursive": "ioServicedRecursive"}
    names |= {"io_queue_recursive": "", "io_service_time_recursive": "", "io_wait_time_recursive": ""}
    names |= {"io_merged_recursive": "", "io_time_recursive": "", "sectors_recursive": ""}
    return {name: raw.get(source, []) if source else [] for name, source in names.items()}


def _interfaces(pid: int) -> dict[str, dict[str, int]] | None:
    """The interfaces of a process's network namespace, by name, without lo."""
    try:
        with open(f"/proc/{pid}/net/dev") as file:
            lines = file.read().splitlines()[2:]
    except OSError:
        return None
    result = {}
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
