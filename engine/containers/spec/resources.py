"""HostConfig's limits as the ``linux.resources`` and ``process.rlimits`` of the OCI runtime specification, and back from
an update body. Device nodes are looked up on the host here; everything else is pure.
"""

from __future__ import annotations

import itertools
import os
import stat
from typing import TYPE_CHECKING

from ...errors import InvalidParameter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...linux import oci
    from . import cdi
    from .bodies import HostConfig, Limits, Rate, RateMember, Weight

DEFAULT_PERIOD = 100_000
_MOST_ENTRIES = 20_000

# What an update body may change; the rest of a HostConfig is fixed at creation.
UPDATABLE = (
    "CpuShares", "Memory", "NanoCpus", "BlkioWeight", "CpuPeriod", "CpuQuota", "CpuRealtimePeriod", "CpuRealtimeRuntime",
    "CpusetCpus", "CpusetMems", "MemoryReservation", "MemorySwap", "PidsLimit", "KernelMemory",
)  # fmt: skip
# And since API 1.55 the rules for devices: a list takes the place of the one before, an empty one lifts it.
UPDATABLE_RULES = (
    "BlkioWeightDevice", "BlkioDeviceReadBps", "BlkioDeviceWriteBps", "BlkioDeviceReadIOps", "BlkioDeviceWriteIOps",
)  # fmt: skip
_RATES: tuple[tuple[RateMember, oci.Throttle], ...] = (
    ("BlkioDeviceReadBps", "throttleReadBpsDevice"),
    ("BlkioDeviceWriteBps", "throttleWriteBpsDevice"),
    ("BlkioDeviceReadIOps", "throttleReadIOPSDevice"),
    ("BlkioDeviceWriteIOps", "throttleWriteIOPSDevice"),
)
_DEFAULT_WEIGHT = 500


def build_limits(
    *, memory: int = 0, swap: int = 0, shares: int = 0, period: int = 0, quota: int = 0, cpus: str = "", mems: str = ""
) -> oci.Resources:
    """``linux.resources`` of a build's steps, for which the API has only some of a container's limits."""
    return limits(
        {
            "Memory": memory,
            "MemorySwap": swap,
            "MemoryReservation": 0,
            "MemorySwappiness": None,
            "OomKillDisable": None,
            "CpuShares": shares,
            "CpuPeriod": period,
            "CpuQuota": quota,
            "CpuRealtimePeriod": 0,
            "CpuRealtimeRuntime": 0,
            "CpusetCpus": cpus,
            "CpusetMems": mems,
            "NanoCpus": 0,
            "PidsLimit": None,
            "BlkioWeight": 0,
            "BlkioWeightDevice": None,
            "BlkioDeviceReadBps": None,
            "BlkioDeviceWriteBps": None,
            "BlkioDeviceReadIOps": None,
            "BlkioDeviceWriteIOps": None,
        }
    )


def limits(host: Limits) -> oci.Resources:
    """``linux.resources`` without devices."""
    result: oci.Resources = {}
    if memory := _memory(host):
        result["memory"] = memory
    if cpu := _cpu(host):
        result["cpu"] = cpu
    if (pids := host["PidsLimit"] or 0) > 0:
        result["pids"] = {"limit": pids}
    if block := _block(host):
        result["blockIO"] = block
    return result


def not_applied(given: oci.Resources) -> list[str]:
    """The warning for limits where there are no control groups; none without a limit."""
    names = {"memory": "memory", "cpu": "CPU", "pids": "processes", "blockIO": "block devices"}
    asked = [words for name, words in names.items() if name in given]
    if not asked:
        return []
    return [f"limits of {', '.join(asked)} are not applied: an engine without root has no control groups here"]


def update(before: Limits, after: Limits) -> oci.Resources:
    """The resources to apply to a running container whose HostConfig changes: only what differs, unlimited spelt out."""
    result = limits(after)
    if after["PidsLimit"] != before["PidsLimit"] and not (after["PidsLimit"] or 0) > 0:
        result["pids"] = {"limit": -1}
    if before["NanoCpus"] and not after["NanoCpus"] and not after["CpuQuota"]:
        result.setdefault("cpu", {})["quota"] = -1
    block = result.get("blockIO", {})
    for member, name in _RATES:
        if gone := _lifted(before[member], after[member]):
            lifted: list[oci.ThrottleDevice] = [{**numbers, "rate": 0} for numbers in gone]
            block[name] = [*lifted, *block.get(name, ())]
    if gone := _lifted(before["BlkioWeightDevice"], after["BlkioWeightDevice"]):
        weights: list[oci.WeightDevice] = [{**numbers, "weight": _DEFAULT_WEIGHT} for numbers in gone]
        block["weightDevice"] = [*weights, *block.get("weightDevice", ())]
    if block:
        result["blockIO"] = block
    return result


def _lifted(before: Sequence[Rate | Weight] | None, after: Sequence[Rate | Weight] | None) -> list[oci.DeviceNumbers]:
    """Devices that have no rule any more, which the kernel must be told. One that is gone needs none."""
    kept = {entry.get("Path") for entry in after or ()}
    paths = [entry.get("Path", "") for entry in before or ()]
    return [_numbers(path) for path in paths if path not in kept and os.path.exists(path)]


def _memory(host: Limits) -> oci.Memory:
    memory: oci.Memory = {}
    if host["Memory"] > 0:
        memory["limit"] = host["Memory"]
    if host["MemoryReservation"] > 0:
        memory["reservation"] = host["MemoryReservation"]
    swap = effective_swap(host)
    if swap:
        memory["swap"] = swap
    if host["MemorySwappiness"] is not None and host["MemorySwappiness"] != -1:
        memory["swappiness"] = host["MemorySwappiness"]
    if host["OomKillDisable"]:
        memory["disableOOMKiller"] = True
    return memory


def effective_swap(host: Limits) -> int:
    """Memory plus swap: twice the memory when only that is limited, as Docker has it; -1 unlimited; 0 not limited."""
    if host["Memory"] > 0 and host["MemorySwap"] == 0:
        return host["Memory"] * 2
    return host["MemorySwap"]


def _cpu(host: Limits) -> oci.Cpu:
    cpu: oci.Cpu = {}
    if host["NanoCpus"] > 0:
        cpu["period"] = DEFAULT_PERIOD
        cpu["quota"] = host["NanoCpus"] * DEFAULT_PERIOD // 1_000_000_000
    if host["CpuShares"]:
        cpu["shares"] = host["CpuShares"]
    if host["CpuPeriod"]:
        cpu["period"] = host["CpuPeriod"]
    if host["CpuQuota"]:
        cpu["quota"] = host["CpuQuota"]
    if host["CpuRealtimePeriod"]:
        cpu["realtimePeriod"] = host["CpuRealtimePeriod"]
    if host["CpuRealtimeRuntime"]:
        cpu["realtimeRuntime"] = host["CpuRealtimeRuntime"]
    if host["CpusetCpus"]:
        cpu["cpus"] = host["CpusetCpus"]
    if host["CpusetMems"]:
        cpu["mems"] = host["CpusetMems"]
    return cpu


def _block(host: Limits) -> oci.BlockIO:
    block: oci.BlockIO = {}
    if host["BlkioWeight"]:
        block["weight"] = host["BlkioWeight"]
    if weights := host["BlkioWeightDevice"]:
        block["weightDevice"] = [
            {**_numbers(entry.get("Path", "")), "weight": entry.get("Weight", 0)} for entry in weights
        ]
    for member, name in _RATES:
        if rates := host[member]:
            block[name] = [{**_numbers(entry.get("Path", "")), "rate": entry.get("Rate", 0)} for entry in rates]
    return block


def _numbers(path: str) -> oci.DeviceNumbers:
    try:
        info = os.stat(path)
    except OSError as error:
        raise InvalidParameter(f'no such device "{path}": {error.strerror}') from None
    return {"major": os.major(info.st_rdev), "minor": os.minor(info.st_rdev)}


def rlimits(host: HostConfig) -> list[oci.Rlimit]:
    """``process.rlimits``; -1 is no limit."""
    top = (1 << 64) - 1
    return [
        {
            "type": f"RLIMIT_{limit.get('Name', '').upper()}",
            "soft": top if limit.get("Soft", 0) == -1 else limit.get("Soft", 0),
            "hard": top if limit.get("Hard", 0) == -1 else limit.get("Hard", 0),
        }
        for limit in host["Ulimits"] or ()
    ]


def devices(host: HostConfig, requested: Sequence[cdi.Node]) -> tuple[list[oci.Device], list[oci.DeviceRule]]:
    """(``linux.devices``, further ``resources.devices`` rules) for Devices, DeviceCgroupRules and Privileged, and for the
    ``requested`` nodes of DeviceRequests."""
    nodes: list[oci.Device] = []
    rules: list[oci.DeviceRule] = []
    if host["Privileged"]:
        nodes = list(_host_devices("/dev"))
        rules.append({"allow": True, "access": "rwm"})
    for node, access in (*_asked(host), *map(_described_device, requested)):
        nodes = [other for other in nodes if other["path"] != node["path"]] + [node]
        rules.append(
            {"allow": True, "type": node["type"], "major": node["major"], "minor": node["minor"], "access": access}
        )
    rules += [_rule(text) for text in host["DeviceCgroupRules"] or ()]
    return nodes, rules


def _asked(host: HostConfig) -> Iterator[tuple[oci.Device, str]]:
    """The nodes of HostConfig.Devices, each with the access to it."""
    for entry in host["Devices"] or ():
        source, target = entry.get("PathOnHost") or "", entry.get("PathInContainer") or ""
        access = entry.get("CgroupPermissions") or "rwm"
        if not set(access) <= set("rwm"):
            raise InvalidParameter(f"invalid device mode: {access}")
        for node in _named_devices(source, target or source):
            yield node, access


def _rule(text: str) -> oci.DeviceRule:
    """One of DeviceCgroupRules, whose form validate.py has checked."""
    kind, numbers, access = text.split(" ")
    major, _, minor = numbers.partition(":")
    rule: oci.DeviceRule = {"allow": True, "type": kind, "access": access}
    if major != "*":
        rule["major"] = int(major)
    if minor != "*":
        rule["minor"] = int(minor)
    return rule


def _named_devices(source: str, target: str) -> Iterator[oci.Device]:
    try:
        info = os.stat(source)
    except OSError:
        raise InvalidParameter(
            f'error gathering device information while adding custom device "{source}": no such file or directory'
        ) from None
    if stat.S_ISDIR(info.st_mode):
        found = list(_host_devices(source))
        if not found:
            raise InvalidParameter(
                f'error gathering device information while adding custom device "{source}": not a device node'
            )
        for node in found:
            yield {**node, "path": target.rstrip("/") + node["path"].removeprefix(source.rstrip("/"))}
        return
    single = _node(target, info)
    if single is None:
        raise InvalidParameter(
            f'error gathering device information while adding custom device "{source}": not a device node'
        )
    yield single


def _described_device(described: cdi.Node) -> tuple[oci.Device, str]:
    """A device node of a CDI specification and the access to it; what it leaves out comes from the node on the host."""
    found = next(_named_devices(described.host_path or described.path, described.path))
    return {**found, **described.given}, described.permissions


def _host_devices(directory: str, seen: Iterator[int] | None = None) -> Iterator[oci.Device]:
    """The device nodes below a directory. ``seen`` counts entries: a directory of devices has thousands, a disk millions."""
    seen = seen or itertools.count()
    skipped = {
        "/dev/pts",
        "/dev/shm",
        "/dev/fd",
        "/dev/mqueue",
        "/dev/.lxc",
        "/dev/.lxd-mounts",
        "/dev/.udev",
        "/dev/console",
    }
    try:
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if next(seen) > _MOST_ENTRIES:
            raise InvalidParameter(f"{directory}: too many files for a directory of devices")
        if entry.path in skipped:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _host_devices(entry.path, seen)
        else:
            try:
                info = entry.stat(follow_symlinks=False)
            except OSError:
                continue  # it went between listing and looking
            if (found := _node(entry.path, info)) is not None:
                yield found


def _node(path: str, info: os.stat_result) -> oci.Device | None:
    kind = "c" if stat.S_ISCHR(info.st_mode) else "b" if stat.S_ISBLK(info.st_mode) else None
    if kind is None:
        return None
    return {
        "path": path,
        "type": kind,
        "major": os.major(info.st_rdev),
        "minor": os.minor(info.st_rdev),
        "fileMode": stat.S_IMODE(info.st_mode),
        "uid": info.st_uid,
        "gid": info.st_gid,
    }
