"""Names that other services reach a service by, and its published ports, as Services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..objects import Wanted
from .leaving import is_headless
from .names import SERVICE, checked_name, dns_name, own_labels, selector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...errors import Path
    from ...model import Project
    from ...model.service import Port, Service
    from ..findings import Findings
    from .bodies import network as bodies
    from .bodies.meta import Metadata
    from .facts import Facts

NODE_PORTS = range(30000, 32768)
APP_PROTOCOL_SINCE = 20


def service_objects(project: Project, name: str, facts: Facts, findings: Findings) -> list[Wanted]:
    """The service under its own name on the ports its containers listen on, the same under each alias, and published."""
    tree = project.services[name]
    path: Path = ("services", name)
    ports = _target_ports(tree)
    spec: bodies.ServiceSpec = {"selector": selector(project.name, name)}
    if is_headless(tree):
        spec["clusterIP"] = "None"
    if ports:
        spec["ports"] = ports
    names = {checked_name(name, path, findings): path}
    for alias, place in _aliases(project, name):
        names.setdefault(checked_name(alias, place, findings), place)
    found = [_service(project, facts, one, name, spec, place) for one, place in names.items()]
    return [*found, *_published(project, name, facts, findings)]


def _service(project: Project, facts: Facts, called: str, name: str, spec: bodies.ServiceSpec, path: Path) -> Wanted:
    labels = {**own_labels(project.name, facts.namespace), SERVICE: name}
    metadata: Metadata = {"name": called, "namespace": facts.namespace, "labels": labels}
    body: bodies.Service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec.copy()}
    return Wanted("Service", called, body, path)


def _aliases(project: Project, name: str) -> list[tuple[str, Path]]:
    found: list[tuple[str, Path]] = []
    for key, settings in (project.services[name].get("networks") or {}).items():
        for index, alias in enumerate((settings or {}).get("aliases") or ()):
            found.append((alias, ("services", name, "networks", key, "aliases", index)))
    for other, tree in project.services.items():
        for index, link in enumerate(tree.get("links") or ()):
            target, _, alias = link.partition(":")
            if target == name and alias:
                found.append((alias, ("services", other, "links", index)))
    return found


def _target_ports(tree: Service) -> list[bodies.ServicePort]:
    """Every port the containers listen on that the file knows of, published or only exposed."""
    known = [
        (port["target"], port.get("protocol") or "tcp", port.get("app_protocol") or "")
        for port in tree.get("ports") or ()
    ]
    for item in tree.get("expose") or ():
        first, last, protocol = item.ports
        known += [(number, protocol, "") for number in range(first, last + 1)]
    found: dict[tuple[int, str], bodies.ServicePort] = {}
    for number, protocol, spoken in known:
        body: bodies.ServicePort = {
            "name": f"{protocol}-{number}",
            "port": number,
            "protocol": protocol.upper(),  # always: without it two applies disagree about the list's keys
            "targetPort": number,
        }
        if spoken:
            body["appProtocol"] = spoken
        found.setdefault((number, protocol), body)
    return list(found.values())


def _published(project: Project, name: str, facts: Facts, findings: Findings) -> list[Wanted]:
    """One Service a protocol: older clusters take no two in one load balancer. A port in the nodes' own range is one there."""
    by_protocol: dict[str, list[Port]] = {}
    for index, port in enumerate(project.services[name].get("ports") or ()):
        path = ("services", name, "ports", index)
        published = port.get("published") or ""
        if (port.get("host_ip") or "0.0.0.0") not in ("0.0.0.0", "::"):
            findings.refuse(path, f"a cluster publishes on every address of its nodes, not on {port['host_ip']} alone")
        if "-" in published:
            findings.refuse(path, f"no port is chosen from a range such as {published}")
        elif port.get("mode") != "host":
            by_protocol.setdefault(port.get("protocol") or "tcp", []).append(port)
    found = []
    for protocol, ports in by_protocol.items():
        suffix = "" if protocol == "tcp" else f"-{protocol}"
        called = f"{dns_name(name)[: 63 - len('-published') - len(suffix)]}-published{suffix}"
        spec: bodies.ServiceSpec = {
            "type": _kind(ports),
            "selector": selector(project.name, name),
            "ports": [_published_port(port, protocol) for port in ports],
        }
        found.append(_service(project, facts, called, name, spec, ("services", name, "ports")))
    return found


def _kind(ports: Sequence[Port]) -> str:
    numbers = [int(port["published"]) for port in ports if (port.get("published") or "").isdecimal()]
    return "NodePort" if not numbers or all(one in NODE_PORTS for one in numbers) else "LoadBalancer"


def _published_port(port: Port, protocol: str) -> bodies.ServicePort:
    published = port.get("published") or ""
    number = int(published) if published.isdecimal() and published != "0" else port["target"]
    body: bodies.ServicePort = {
        "name": port.get("name") or f"{protocol}-{number}-{port['target']}",
        "port": number,
        "protocol": protocol.upper(),
        "targetPort": port["target"],
    }
    if number in NODE_PORTS:
        body["nodePort"] = number
    if port.get("app_protocol"):
        body["appProtocol"] = port["app_protocol"]
    return body
