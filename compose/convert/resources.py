"""CPU, memory, devices and limits: the `Resources` part of HostConfig."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .values import byte_count, field

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_TABLE: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("cgroup_parent", "CgroupParent", str),
    ("cpu_period", "CpuPeriod", int),
    ("cpu_quota", "CpuQuota", int),
    ("cpu_shares", "CpuShares", int),
    ("cpus", "NanoCpus", lambda value: round(float(value) * 1e9)),
    ("cpuset", "CpusetCpus", str),
    ("device_cgroup_rules", "DeviceCgroupRules", list),
    ("mem_limit", "Memory", byte_count),
    ("mem_reservation", "MemoryReservation", byte_count),
    ("mem_swappiness", "MemorySwappiness", int),
    ("memswap_limit", "MemorySwap", byte_count),
    ("oom_kill_disable", "OomKillDisable", bool),
    ("pids_limit", "PidsLimit", int),
)
"""Attribute, field of the API, conversion. Attributes with structure of their own are below; those without effect on Linux
(cpu_count, cpu_percent, cpu_rt_period, cpu_rt_runtime) are warned of and not sent, for engines refuse them."""


def resources(service: Mapping[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for key, name, convert in _TABLE:
        if service.get(key) is not None:
            body[name] = convert(service[key])
    body.update(_blkio(service.get("blkio_config") or {}))
    if service.get("devices"):
        paths, requests = _devices(service["devices"])
        if paths:
            body["Devices"] = paths
        if requests:
            body["DeviceRequests"] = requests
    if service.get("ulimits"):
        body["Ulimits"] = [_ulimit(name, value) for name, value in sorted(service["ulimits"].items())]
    _deploy(service.get("deploy") or {}, body)
    gpus = service.get("gpus")
    if gpus == "all":
        gpus = [{"count": -1}]
    for request in gpus or ():
        body.setdefault("DeviceRequests", []).append(_device_request({"capabilities": ["gpu"], **request}))
    return body


def _blkio(tree: Mapping[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if tree.get("weight"):
        body["BlkioWeight"] = int(tree["weight"])
    if tree.get("weight_device"):
        body["BlkioWeightDevice"] = [
            {"Path": field(item, "path"), "Weight": int(field(item, "weight"))} for item in tree["weight_device"]
        ]
    for key, name in (
        ("device_read_bps", "BlkioDeviceReadBps"),
        ("device_read_iops", "BlkioDeviceReadIOps"),
        ("device_write_bps", "BlkioDeviceWriteBps"),
        ("device_write_iops", "BlkioDeviceWriteIOps"),
    ):
        if tree.get(key):
            body[name] = [{"Path": field(item, "path"), "Rate": byte_count(field(item, "rate"))} for item in tree[key]]
    return body


def _devices(items: list[Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Device mappings, and requests for CDI names (``vendor.com/class=name``)."""
    paths: list[dict[str, Any]] = []
    names: list[str] = []
    for item in items:
        if isinstance(item, str):
            source, _, rest = item.partition(":")
            target, _, permissions = rest.partition(":")
        else:
            source, target, permissions = item["source"], item.get("target") or "", item.get("permissions") or ""
        if not source.startswith("/") and "=" in source:
            names.append(source)
            continue
        paths.append(
            {"PathOnHost": source, "PathInContainer": target or source, "CgroupPermissions": permissions or "rwm"}
        )
    return paths, [{"Driver": "cdi", "DeviceIDs": names}] if names else []


def _ulimit(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, int):
        return {"Name": name, "Soft": value, "Hard": value}
    # The loaded project leaves zeros out.
    return {"Name": name, "Soft": int(value.get("soft") or 0), "Hard": int(value.get("hard") or 0)}


def _deploy(deploy: Mapping[str, Any], body: dict[str, Any]) -> None:
    tree = deploy.get("resources") or {}
    limits = tree.get("limits") or {}
    if limits.get("cpus"):
        body["NanoCpus"] = round(float(limits["cpus"]) * 1e9)
    if limits.get("memory"):
        body["Memory"] = byte_count(limits["memory"])
    if limits.get("pids"):
        body["PidsLimit"] = int(limits["pids"])
    reservations = tree.get("reservations") or {}
    if reservations.get("memory"):
        body["MemoryReservation"] = byte_count(reservations["memory"])
    for request in reservations.get("devices") or ():
        body.setdefault("DeviceRequests", []).append(_device_request(request))


def _device_request(tree: Mapping[str, Any]) -> dict[str, Any]:
    identifiers = list(tree.get("device_ids") or ())
    count = tree.get("count")
    if count == "all":
        count = -1
    if count is None and not identifiers:
        count = -1
    return {
        "Driver": tree.get("driver") or "",
        "Count": int(count or 0),
        "DeviceIDs": identifiers,
        "Capabilities": [list(tree.get("capabilities") or ())],
        "Options": dict(tree.get("options") or {}),
    }
