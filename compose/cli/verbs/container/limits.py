"""The flags for processor, memory and I/O limits, which `run`, `create` and `update` share, and their part of the body."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .....grammar import sizes
from .values import device_count, device_rate, device_weight, nano_cpus, swap_size, unsigned, whole

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable
    from typing import TypeAlias

    from ...flags.parser import Parser

    Row: TypeAlias = tuple[tuple[str, ...], str, Callable[[str], object], object, str, str]
    """Names, field, reader of the value, default, metavar and help of an option."""


_UPDATABLE: tuple[Row, ...] = (
    (("--blkio-weight",), "BlkioWeight", unsigned, 0, "WEIGHT", "Block IO (relative weight), between 10 and 1000"),
    (("--cpu-period",), "CpuPeriod", whole, 0, "MICROSECONDS", "Limit CPU CFS (Completely Fair Scheduler) period"),
    (("--cpu-quota",), "CpuQuota", whole, 0, "MICROSECONDS", "Limit CPU CFS (Completely Fair Scheduler) quota"),
    (("--cpu-rt-period",), "CpuRealtimePeriod", whole, 0, "MICROSECONDS", "Limit CPU real-time period"),
    (("--cpu-rt-runtime",), "CpuRealtimeRuntime", whole, 0, "MICROSECONDS", "Limit CPU real-time runtime"),
    (("-c", "--cpu-shares"), "CpuShares", whole, 0, "SHARES", "CPU shares (relative weight)"),
    (("--cpus",), "NanoCpus", nano_cpus, 0, "DECIMAL", "Number of CPUs"),
    (("--cpuset-cpus",), "CpusetCpus", str, "", "CPUS", "CPUs in which to allow execution (0-3, 0,1)"),
    (("--cpuset-mems",), "CpusetMems", str, "", "MEMS", "MEMs in which to allow execution (0-3, 0,1)"),
    (("-m", "--memory"), "Memory", sizes.parse, 0, "BYTES", "Memory limit"),
    (("--memory-reservation",), "MemoryReservation", sizes.parse, 0, "BYTES", "Memory soft limit"),
    (("--memory-swap",), "MemorySwap", swap_size, 0, "BYTES", "Swap limit equal to memory plus swap: -1 for no limit"),
    (("--pids-limit",), "PidsLimit", whole, None, "N", "Tune container pids limit (set -1 for unlimited)"),
)
_FIXED: tuple[Row, ...] = (
    (("--cpu-count",), "CpuCount", whole, 0, "N", "CPU count (Windows only)"),
    (("--cpu-percent",), "CpuPercent", whole, 0, "N", "CPU percent (Windows only)"),
    (("--io-maxbandwidth",), "IOMaximumBandwidth", sizes.parse, 0, "BYTES", "Maximum IO bandwidth (Windows only)"),
    (("--io-maxiops",), "IOMaximumIOps", unsigned, 0, "N", "Maximum IOps (Windows only)"),
    (("--memory-swappiness",), "MemorySwappiness", whole, -1, "N", "Tune container memory swappiness (0 to 100)"),
)
_DEVICES: tuple[tuple[str, str, Callable[[str], object], str], ...] = (
    ("--blkio-weight-device", "BlkioWeightDevice", device_weight, "Block IO weight (relative device weight)"),
    ("--device-read-bps", "BlkioDeviceReadBps", device_rate, "Limit read rate (bytes per second) from a device"),
    ("--device-read-iops", "BlkioDeviceReadIOps", device_count, "Limit read rate (IO per second) from a device"),
    ("--device-write-bps", "BlkioDeviceWriteBps", device_rate, "Limit write rate (bytes per second) to a device"),
    ("--device-write-iops", "BlkioDeviceWriteIOps", device_count, "Limit write rate (IO per second) to a device"),
)


def add_update_flags(parser: Parser) -> None:
    for names, field, kind, default, metavar, text in _UPDATABLE:
        parser.add_argument(*names, dest=field, type=kind, default=default, metavar=metavar, help=text)


def add_limit_flags(parser: Parser) -> None:
    add_update_flags(parser)
    for names, field, kind, default, metavar, text in _FIXED:
        parser.add_argument(*names, dest=field, type=kind, default=default, metavar=metavar, help=text)
    for name, field, kind, text in _DEVICES:
        parser.add_argument(name, dest=field, type=kind, action="append", default=[], metavar="DEVICE:VALUE", help=text)
    parser.add_argument("--oom-kill-disable", action="store_true", help="Disable OOM Killer")
    parser.add_argument(
        "--kernel-memory", type=sizes.parse, metavar="BYTES", help="Ignored: no longer supported by Linux"
    )


def update_body(args: Namespace) -> dict[str, object]:
    """What was asked for, and nothing else."""
    rows = ((field, getattr(args, field), default) for _, field, _, default, _, _ in _UPDATABLE)
    return {field: value for field, value, default in rows if value != default}


def limits(args: Namespace) -> dict[str, object]:
    """The `Resources` of a create body. Raises ValueError."""
    if not -1 <= args.MemorySwappiness <= 100:
        raise ValueError(f"invalid value: {args.MemorySwappiness}. Valid memory swappiness range is 0-100")
    body: dict[str, object] = {field: getattr(args, field) for _, field, _, _, _, _ in (*_UPDATABLE, *_FIXED)}
    body |= {field: list(getattr(args, field)) for _, field, _, _ in _DEVICES}
    return {**body, "PidsLimit": args.PidsLimit or 0, "OomKillDisable": args.oom_kill_disable}
