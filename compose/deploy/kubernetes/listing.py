"""A project's pods as `ps` shows them. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ..units import Unit
from .names import SERVICE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .bodies.network import Service
    from .bodies.pods import Pod


def units(pods: Sequence[Pod], services: Sequence[Service]) -> Iterator[Unit]:
    ports: dict[str, list[str]] = {}
    for one in services:
        service = str((one["metadata"].get("labels") or {}).get(SERVICE) or "")
        ports.setdefault(service, []).extend(_ports(one))
    for pod in pods:
        metadata, status = pod["metadata"], pod["status"]
        service = str((metadata.get("labels") or {}).get(SERVICE) or "")
        state, detail = _state(pod)
        yield Unit(
            name=str(metadata["name"]),
            service=service,
            image=str(pod["spec"]["containers"][0]["image"]).partition("@")[0],
            node=str(pod["spec"].get("nodeName") or ""),
            state=state,
            detail=detail,
            ports=", ".join(ports.get(service, ())),
            created=datetime.fromisoformat(str(metadata["creationTimestamp"]).replace("Z", "+00:00")).timestamp(),
            over=status.get("phase") in ("Succeeded", "Failed") or state == "terminating",
            id=str(metadata["uid"]),
        )


def _state(pod: Pod) -> tuple[str, str]:
    """A word, and why, as far as there is anything to say."""
    status = pod["status"]
    if pod["metadata"].get("deletionTimestamp"):
        return "terminating", ""
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        state = container.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
        if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            return "waiting", str(waiting["reason"])
        if ended.get("exitCode"):
            return "failed", f"exit code {ended['exitCode']}"
    phase = str(status.get("phase") or "").lower()
    if phase == "running":
        # The pod's own condition: of a node that is away nobody tells how its containers are.
        ready = any(
            one.get("type") == "Ready" and one.get("status") == "True" for one in status.get("conditions") or ()
        )
        return "running", "" if ready else "not ready"
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return "pending", str(condition.get("message") or "")
    return {"succeeded": "complete"}.get(phase, phase), ""


def _ports(service: Service) -> list[str]:
    """What reaches the service from outside: the load balancer's port and the nodes' own."""
    found = []
    for port in service["spec"].get("ports") or ():
        if service["spec"].get("type") not in ("NodePort", "LoadBalancer"):
            continue
        addresses = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
        target = f"{port.get('targetPort')}/{str(port.get('protocol') or 'TCP').lower()}"
        found += [f"{one.get('ip') or one.get('hostname')}:{port['port']}->{target}" for one in addresses]
        if port.get("nodePort"):
            found.append(f"*:{port['nodePort']}->{target}")
    return found


def published(services: Sequence[Service], pods: Sequence[Pod], port: int, protocol: str) -> list[str]:
    """Where a port is reached: at the load balancer, and on the nodes where the pods run (any node forwards it there)."""
    hosts = sorted({str(pod["status"]["hostIP"]) for pod in pods if pod["status"].get("hostIP")})
    found: list[str] = []
    for service in services:
        if service["spec"].get("type") not in ("NodePort", "LoadBalancer"):
            continue
        balancers = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
        for item in service["spec"].get("ports") or ():
            if item.get("targetPort") == port and str(item.get("protocol") or "TCP").lower() == protocol:
                found += [f"{one.get('ip') or one.get('hostname')}:{item['port']}" for one in balancers]
                found += [f"{host}:{item['nodePort']}" for host in hosts if item.get("nodePort")]
    for pod in pods:
        for container in pod["spec"]["containers"]:
            for own in container.get("ports") or ():
                if own.get("hostPort") and (own["containerPort"], own["protocol"].lower()) == (port, protocol):
                    found.append(f"{pod['status'].get('hostIP')}:{own['hostPort']}")
    return list(dict.fromkeys(found))
