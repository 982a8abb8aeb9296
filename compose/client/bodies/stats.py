"""GET /containers/{id}/stats: counters of a container's control group. Processor time is in nanoseconds, sizes in bytes."""

from __future__ import annotations

from typing import TypedDict


class CpuUsage(TypedDict, total=False):
    total_usage: int
    percpu_usage: list[int] | None


class CpuStats(TypedDict, total=False):
    cpu_usage: CpuUsage
    system_cpu_usage: int
    online_cpus: int


class MemoryStats(TypedDict, total=False):
    usage: int
    limit: int
    stats: dict[str, int] | None


class InterfaceStats(TypedDict, total=False):
    rx_bytes: int
    tx_bytes: int


class BlockCounter(TypedDict, total=False):
    """``op``: read, write and others, in either case."""

    op: str
    value: int


class BlockStats(TypedDict, total=False):
    io_service_bytes_recursive: list[BlockCounter] | None


class PidsStats(TypedDict, total=False):
    current: int


class Hour(TypedDict, total=False):
    """GET /pycompose/containers/{id}/hour: as many numbers in each, oldest first. ``At`` is in seconds since the epoch,
    ``Processor`` in nanoseconds so far."""

    At: list[float]
    Processor: list[float]
    Memory: list[float]
    Limit: list[float]
    Received: list[float]
    Sent: list[float]
    Read: list[float]
    Written: list[float]
    Pids: list[float]


class Stats(TypedDict, total=False):
    """One sample; ``precpu_stats`` is the processor's part of the one before."""

    read: str
    cpu_stats: CpuStats
    precpu_stats: CpuStats
    memory_stats: MemoryStats
    networks: dict[str, InterfaceStats] | None
    blkio_stats: BlockStats
    pids_stats: PidsStats
