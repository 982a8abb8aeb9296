"""A stack's tasks as `ps` shows them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..units import Unit
from .labels import SERVICE
from .times import epoch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...client.bodies import swarm as bodies

_ENDED = frozenset({"complete", "failed", "rejected", "shutdown", "orphaned", "remove"})


def units(
    services: Sequence[bodies.Service], tasks: Sequence[bodies.Task], nodes: Sequence[bodies.Node]
) -> Iterator[Unit]:
    known = {one["ID"]: one for one in services}
    hosts = {one["ID"]: one for one in nodes}
    for task in tasks:
        service = known.get(task["ServiceID"])
        if service is None:
            continue
        node = hosts.get(task.get("NodeID") or "")
        status = task["Status"]
        is_lost = node is not None and node["Status"]["State"] == "down" and status["State"] not in _ENDED
        yield Unit(
            name=unit_name(service, task, node),
            service=str((service["Spec"].get("Labels") or {}).get(SERVICE) or service["Spec"]["Name"]),
            image=str(task["Spec"]["ContainerSpec"]["Image"]).partition("@")[0],
            node=str(node["Description"]["Hostname"]) if node else "",
            state="lost" if is_lost else str(status["State"]),
            detail="the node is down" if is_lost else str(status.get("Err") or ""),
            ports=_ports(service, task),
            created=epoch(str(task["CreatedAt"])),
            over=status["State"] in _ENDED or task.get("DesiredState") not in ("running", "complete") or is_lost,
            id=str(task["ID"]),
        )


def unit_name(service: bodies.Service, task: bodies.Task, node: bodies.Node | None) -> str:
    """``service.1``, or with the node's name for one of a global service."""
    slot = task.get("Slot") or (node["Description"]["Hostname"] if node else str(task["ID"])[:12])
    return f"{(service['Spec'].get('Labels') or {}).get(SERVICE) or service['Spec']['Name']}.{slot}"


def _ports(service: bodies.Service, task: bodies.Task) -> str:
    meshed = [
        f"*:{port['PublishedPort']}->{port['TargetPort']}/{port['Protocol']}"
        for port in (service.get("Endpoint") or {}).get("Ports") or ()
        if port.get("PublishMode") != "host" and port.get("PublishedPort")
    ]
    own = [
        f"{port['PublishedPort']}->{port['TargetPort']}/{port['Protocol']}"
        for port in (task["Status"].get("PortStatus") or {}).get("Ports") or ()
        if port.get("PublishedPort")
    ]
    return ", ".join(dict.fromkeys([*meshed, *own]))  # a host port is told for IPv4 and IPv6


def published(
    services: Sequence[bodies.Service],
    tasks: Sequence[bodies.Task],
    nodes: Sequence[bodies.Node],
    service: str,
    port: tuple[int, str],
) -> list[str]:
    """Where a port is reached: with the routing mesh on every node, else on those where a task runs."""
    addresses = {one["ID"]: one.get("Status", {}).get("Addr") or "" for one in nodes}
    found: list[str] = []
    for one in services:
        if (one["Spec"].get("Labels") or {}).get(SERVICE) != service:
            continue
        for item in (one.get("Endpoint") or {}).get("Ports") or ():
            if (item["TargetPort"], item["Protocol"]) == port and item.get("PublishMode") != "host":
                found += [f"{address}:{item['PublishedPort']}" for address in addresses.values() if address]
        for task in tasks:
            ports = (task["Status"].get("PortStatus") or {}).get("Ports") or ()
            if task["ServiceID"] == one["ID"] and task["Status"]["State"] == "running":
                address = addresses.get(task.get("NodeID") or "", "")
                found += [
                    f"{address}:{item['PublishedPort']}"
                    for item in ports
                    if (item["TargetPort"], item["Protocol"]) == port
                ]
    return sorted(set(found))
