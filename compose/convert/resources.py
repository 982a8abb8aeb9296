"""CPU, memory, devices and limits: the `Resources` part of HostConfig."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import renames

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model import deploy, parts
    from ..model import service as model
    from .bodies import DeviceMapping, DeviceRequest, Resources, ThrottleDevice, Ulimit


def resources(service: model.Service) -> Resources:
    body = renames.limits(service)
    if service.get("cpus") is not None:
        body["NanoCpus"] = nano_cpus(service["cpus"])
    body.update(_blkio(service.get("blkio_config") or {}))
    requests: list[DeviceRequest] = []
    if service.get("devices"):
        paths, requests = _devices(service["devices"])
        if paths:
            body["Devices"] = paths
    if service.get("ulimits"):
        body["Ulimits"] = ulimits(service["ulimits"])
    requests += _deploy(service.get("deploy") or {}, body)
    requests += [_device_request({"capabilities": ["gpu"], **request}) for request in service.get("gpus") or ()]
    if requests:
        body["DeviceRequests"] = requests
    return body


def nano_cpus(processors: float) -> int:
    return round(processors * 1e9)


def _blkio(tree: model.BlkioConfig) -> Resources:
    body: Resources = {}
    if tree.get("weight"):
        body["BlkioWeight"] = tree["weight"]
    if tree.get("weight_device"):
        body["BlkioWeightDevice"] = [{"Path": one["Path"], "Weight": one["Weight"]} for one in tree["weight_device"]]
    if tree.get("device_read_bps"):
        body["BlkioDeviceReadBps"] = _rates(tree["device_read_bps"])
    if tree.get("device_read_iops"):
        body["BlkioDeviceReadIOps"] = _rates(tree["device_read_iops"])
    if tree.get("device_write_bps"):
        body["BlkioDeviceWriteBps"] = _rates(tree["device_write_bps"])
    if tree.get("device_write_iops"):
        body["BlkioDeviceWriteIOps"] = _rates(tree["device_write_iops"])
    return body


def _rates(items: list[model.DeviceRate]) -> list[ThrottleDevice]:
    return [{"Path": one["Path"], "Rate": one["Rate"]} for one in items]


def _devices(items: list[model.Device]) -> tuple[list[DeviceMapping], list[DeviceRequest]]:
    """Device mappings, and requests for CDI names (``vendor.com/class=name``)."""
    paths: list[DeviceMapping] = []
    names: list[str] = []
    for item in items:
        source = item["source"]
        if not source.startswith("/") and "=" in source:
            names.append(source)
            continue
        paths.append(
            {
                "PathOnHost": source,
                "PathInContainer": item.get("target") or source,
                "CgroupPermissions": item.get("permissions") or "rwm",
            }
        )
    return paths, [{"Driver": "cdi", "DeviceIDs": names}] if names else []


def ulimits(given: Mapping[str, int | parts.Ulimit]) -> list[Ulimit]:
    """By name. The loaded project leaves zeros out."""
    found: list[Ulimit] = []
    for name, value in sorted(given.items()):
        if isinstance(value, int):
            found.append({"Name": name, "Soft": value, "Hard": value})
        else:
            found.append({"Name": name, "Soft": value.get("soft") or 0, "Hard": value.get("hard") or 0})
    return found


def _deploy(tree: deploy.Deploy, body: Resources) -> list[DeviceRequest]:
    """Puts the limits of ``deploy.resources`` over the service's own; the devices that it asks for."""
    both = tree.get("resources") or {}
    limits = both.get("limits") or {}
    if limits.get("cpus"):
        body["NanoCpus"] = nano_cpus(limits["cpus"])
    if limits.get("memory"):
        body["Memory"] = limits["memory"]
    if limits.get("pids"):
        body["PidsLimit"] = limits["pids"]
    reservations = both.get("reservations") or {}
    if reservations.get("memory"):
        body["MemoryReservation"] = reservations["memory"]
    return [_device_request(request) for request in reservations.get("devices") or ()]


def _device_request(tree: deploy.DeviceRequest) -> DeviceRequest:
    identifiers = list(tree.get("device_ids") or ())
    count = tree.get("count")
    if count is None and not identifiers:
        count = -1
    return {
        "Driver": tree.get("driver") or "",
        "Count": count or 0,
        "DeviceIDs": identifiers,
        "Capabilities": [list(tree.get("capabilities") or ())],
        "Options": dict(tree.get("options") or {}),
    }
