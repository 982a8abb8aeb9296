"""HostConfig's limits as the ``linux.resources`` and ``process.rlimits`` of the OCI runtime specification, and back from
an update body. Device nodes are looked up on the host here; everything else is pure.
"""

from __future__ import annotations

import itertools
import os
import stat
from typing import TYPE_CHECKING, Any

from ...errors import EngineError, InvalidParameter
from . import cdi

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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
_RATES = {
    "BlkioDeviceReadBps": "throttleReadBpsDevice",
    "BlkioDeviceWriteBps": "throttleWriteBpsDevice",
    "BlkioDeviceReadIOps": "throttleReadIOPSDevice",
    "BlkioDeviceWriteIOps": "throttleWriteIOPSDevice",
}
_DEFAULT_WEIGHT = 500


def build_limits(given: Mapping[str, Any]) -> dict[str, Any]:
    """``linux.resources`` of a build's steps, for which the API has only some of a container's limits."""
    empty: dict[str, Any] = {"MemoryReservation": 0, "MemorySwappiness": None, "OomKillDisable": None, "NanoCpus": 0}
    empty |= {"CpuRealtimePeriod": 0, "CpuRealtimeRuntime": 0, "PidsLimit": None, "BlkioWeight": 0}
    empty |= dict.fromkeys(("BlkioWeightDevice", "BlkioDeviceReadBps", "BlkioDeviceWriteBps"))
    empty |= dict.fromkeys(("BlkioDeviceReadIOps", "BlkioDeviceWriteIOps"))
    return limits({**empty, **given})


def limits(host: Mapping[str, Any]) -> dict[str, Any]:
    """``linux.resources`` without devices."""
    result: dict[str, Any] = {}
    if memory := _memory(host):
        result["memory"] = memory
    if cpu := _cpu(host):
        result["cpu"] = cpu
    if (host["PidsLimit"] or 0) > 0:
        result["pids"] = {"limit": host["PidsLimit"]}
    if block := _block(host):
        result["blockIO"] = block
    return result


def update(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The resources to apply to a running container whose HostConfig changes: only what differs, unlimited spelt out."""
    result = limits(after)
    if after["PidsLimit"] != before["PidsLimit"] and not (after["PidsLimit"] or 0) > 0:
        result["pids"] = {"limit": -1}
    if before["NanoCpus"] and not after["NanoCpus"] and not after["CpuQuota"]:
        result.setdefault("cpu", {})["quota"] = -1
    lifted = _lifted(before, after)
    if lifted:
        block = result.setdefault("blockIO", {})
        for name, rules in lifted.items():
            block[name] = [*rules, *block.get(name, ())]
    return result


def _lifted(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """What the kernel must be told of devices that have no rule any more. One that is gone needs none."""
    found: dict[str, list[dict[str, Any]]] = {}
    for member, name, default in (
        *((member, name, {"rate": 0}) for member, name in _RATES.items()),
        ("BlkioWeightDevice", "weightDevice", {"weight": _DEFAULT_WEIGHT}),
    ):
        kept = {entry.get("Path") for entry in after[member] or ()}
        for entry in before[member] or ():
            path = entry.get("Path", "")
            if path not in kept and os.path.exists(path):
                found.setdefault(name, []).append({**_numbers(path), **default})
    return found


def _memory(host: Mapping[str, Any]) -> dict[str, Any]:
    memory: dict[str, Any] = {}
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


def effective_swap(host: Mapping[str, Any]) -> int:
    """Memory plus swap: twice the memory when only that is limited, as Docker has it; -1 unlimited; 0 not limited."""
    if host["Memory"] > 0 and host["MemorySwap"] == 0:
        return int(host["Memory"]) * 2
    return int(host["MemorySwap"])


def _cpu(host: Mapping[str, Any]) -> dict[str, Any]:
    cpu: dict[str, Any] = {}
    if host["NanoCpus"] > 0:
        cpu |= {"period": DEFAULT_PERIOD, "quota": host["NanoCpus"] * DEFAULT_PERIOD // 1_000_000_000}
    for member, name in (
        ("CpuShares", "shares"),
        ("CpuPeriod", "period"),
        ("CpuQuota", "quota"),
        ("CpuRealtimePeriod", "realtimePeriod"),
        ("CpuRealtimeRuntime", "realtimeRuntime"),
        ("CpusetCpus", "cpus"),
        ("CpusetMems", "mems"),
    ):
        if host[member]:
            cpu[name] = host[member]
    return cpu


def _block(host: Mapping[str, Any]) -> dict[str, Any]:
    block: dict[str, Any] = {}
    if host["BlkioWeight"]:
        block["weight"] = host["BlkioWeight"]
    if host["BlkioWeightDevice"]:
        block["weightDevice"] = [
            {**_numbers(entry.get("Path", "")), "weight": entry.get("Weight", 0)} for entry in host["BlkioWeightDevice"]
        ]
    for member, name in _RATES.items():
        if host[member]:
            block[name] = [{**_numbers(entry.get("Path", "")), "rate": entry.get("Rate", 0)} for entry in host[member]]
    return block


def _numbers(path: str) -> dict[str, int]:
    try:
        info = os.stat(path)
    except OSError as error:
        raise EngineError(f"no such device {path}: {error.strerror}") from None
    return {"major": os.major(info.st_rdev), "minor": os.minor(info.st_rdev)}


def rlimits(host: Mapping[str, Any]) -> list[dict[str, Any]]:
    """``process.rlimits``; -1 is no limit."""
    top = (1 << 64) - 1
    return [
        {
            "type": f"RLIMIT_{limit['Name'].upper()}",
            "soft": top if limit.get("Soft", 0) == -1 else limit.get("Soft", 0),
            "hard": top if limit.get("Hard", 0) == -1 else limit.get("Hard", 0),
        }
        for limit in host["Ulimits"] or ()
    ]


def devices(host: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(``linux.devices``, further ``resources.devices`` rules) for Devices, DeviceRequests, DeviceCgroupRules and
    Privileged."""
    nodes: list[dict[str, Any]] = []
    rules: list[dict[str, Any]] = []
    if host["Privileged"]:
        nodes = list(_host_devices("/dev"))
        rules.append({"allow": True, "access": "rwm"})
    for entry in host["Devices"] or ():
        source, target = entry.get("PathOnHost") or "", entry.get("PathInContainer") or ""
        access = entry.get("CgroupPermissions") or "rwm"
        if not set(access) <= set("rwm"):
            raise InvalidParameter(f"invalid device mode: {access}")
        for node in _named_devices(source, target or source):
            nodes = [other for other in nodes if other["path"] != node["path"]] + [node]
            rules.append(
                {"allow": True, "type": node["type"], "major": node["major"], "minor": node["minor"], "access": access}
            )
    for node, access in map(_described_device, cdi.edits(host).nodes):
        nodes = [other for other in nodes if other["path"] != node["path"]] + [node]
        rules.append(
            {"allow": True, "type": node["type"], "major": node["major"], "minor": node["minor"], "access": access}
        )
    for rule in host["DeviceCgroupRules"] or ():
        kind, numbers, access = rule.split(" ")
        major, _, minor = numbers.partition(":")
        entry = {"allow": True, "type": kind, "access": access}
        if major != "*":
            entry["major"] = int(major)
        if minor != "*":
            entry["minor"] = int(minor)
        rules.append(entry)
    return nodes, rules


def _named_devices(source: str, target: str) -> Iterator[dict[str, Any]]:
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


def _described_device(tree: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """A device node of a CDI specification and the access to it; what it leaves out comes from the node on the host."""
    path = str(tree["path"])
    found = next(_named_devices(str(tree.get("hostPath") or path), path))
    given = {"type": tree.get("type"), "major": tree.get("major"), "minor": tree.get("minor")}
    given |= {"fileMode": tree.get("fileMode"), "uid": tree.get("uid"), "gid": tree.get("gid")}
    access = str(tree.get("permissions") or "rwm")
    return {**found, **{name: value for name, value in given.items() if value is not None}}, access


def _host_devices(directory: str, seen: Iterator[int] | None = None) -> Iterator[dict[str, Any]]:
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


def _node(path: str, info: os.stat_result) -> dict[str, Any] | None:
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
